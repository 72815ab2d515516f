/**
 * Takes frames that the master pushed or that were pulled. It checks that they
 * continue this log (docs/replication.md, rule 2), appends them verbatim and
 * answers when they are committed. It works on one request at a time, so that a
 * repeated push is compared with the records of the first try, not appended twice.
 *
 * Frames are appended in pieces, with turns of the event loop in between: after a pause
 * of the network a push has thousands of records, and reads would wait for all of them.
 */

import { type CheckedFrames, checkFrames } from '#engine/checked-frames.ts';
import type { Engine } from '#engine/engine.ts';
import { tryRecordKindOf } from '#engine/records/record-table.ts';
import { WalnutError } from '#model/errors.ts';
import { NO_LSN, termOf } from '#model/position.ts';
import type { ChainPoint, ReplicateVerdict } from '#model/replication.ts';
import { checkBelieved } from '#model/terms.ts';
import { assertNever } from '#platform/assert.ts';
import type { Clock } from '#platform/clock.ts';
import { blamedOnPeer } from '#slave/peer-frames.ts';
import { type Frame, whyNotNext } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';

/** How frames relate to this replica's log. */
export type FrameStanding =
  | { readonly kind: 'append'; readonly fresh: readonly Frame[] }
  /** The frames end inside the log: the record at `point` has to be compared first. */
  | { readonly kind: 'compare'; readonly point: ChainPoint }
  | { readonly kind: 'gap' }
  | { readonly kind: 'conflict' };

/**
 * Judges frames that follow `previous` against this log's tail; pure. Each record
 * contains the checksum of the one before, so one equal record proves that all
 * records before it are equal.
 */
export function standingOf(tail: ChainPoint, previous: ChainPoint, frames: readonly Frame[]): FrameStanding {
  const first = frames[0];
  // `previous` may only repeat what this replica said of itself, so the first frame itself must name it.
  if (first !== undefined && whyNotNext(previous, first) !== undefined) return { kind: 'conflict' };
  if (previous.lsn > tail.lsn) return { kind: 'gap' };
  const last = frames.at(-1);
  const end: ChainPoint = last === undefined ? previous : pointOf(last);
  if (end.lsn < tail.lsn) return { kind: 'compare', point: end };
  const isNext = previous.lsn === tail.lsn;
  const atTail = isNext ? previous : frames.find((frame) => frame.lsn === tail.lsn);
  if (atTail === undefined || atTail.epoch !== tail.epoch || atTail.crc !== tail.crc)
    return { kind: 'conflict' };
  const fresh = isNext ? frames : frames.filter((frame) => frame.lsn > tail.lsn);
  let { epoch } = tail;
  for (const frame of fresh) {
    if (frame.epoch === epoch) continue;
    if (termOf(frame.epoch) < termOf(epoch)) return { kind: 'conflict' };
    epoch = frame.epoch;
  }
  return { kind: 'append', fresh };
}

/** How long a durable ack waits for appended frames. */
const APPLY_TIMEOUT_MS = 30_000;

/**
 * What is appended and applied in one turn of the event loop: one or two milliseconds. A record
 * of a Batch may have 1,000 changes, so bytes count, too; one record is never divided.
 */
export const PIECE_RECORDS = 512;
export const PIECE_BYTES = 32_768;

/** One request is worked on, and one more may wait. */
const TURNS_MAX = 2;

/** The tail of a replica without a log. */
export const EMPTY_TAIL: ChainPoint = { epoch: 0, lsn: NO_LSN, crc: 0 };

/** Tells why frames are not taken after all; undefined: they are. */
type Refusal = () => ReplicateVerdict | undefined;

export class Receiver {
  readonly #engine: () => Engine | undefined;
  readonly #knownTerm: () => number | undefined;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;

  /**
   * `engine` returns the engine that is open now, if any. `knownTerm` returns the
   * highest term that this node has persisted, which bounds the terms of frames.
   */
  constructor(engine: () => Engine | undefined, knownTerm: () => number | undefined, clock: Clock) {
    this.#engine = engine;
    this.#knownTerm = knownTerm;
    this.#clock = clock;
  }

  /**
   * Appends those of `frames` that are new; resolves when they are committed, or
   * durable if `ackWhenDurable`. `refusal` is called when its turn has come and before
   * each further piece, and may still refuse what is not appended.
   */
  take(
    previous: ChainPoint,
    frames: readonly Frame[],
    ackWhenDurable: boolean,
    refusal: Refusal = () => undefined,
  ): Promise<ReplicateVerdict> {
    return this.exclusive(async () => {
      const refused = refusal();
      if (refused !== undefined) return refused;
      const engine = this.#engine();
      if (engine === undefined) return { kind: 'need', tail: EMPTY_TAIL };
      // Terms never fall along a log, so the last frame has the highest.
      const last = frames.at(-1);
      if (last !== undefined) checkBelieved(termOf(last.epoch), this.#knownTerm());
      const verdict = await this.#takeInto(engine, previous, frames, refusal);
      if (ackWhenDurable && verdict.kind === 'ok') await untilDurable(engine);
      return verdict;
    });
  }

  /** Runs `work` while no frames are taken, so that it may replace the engine. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#waiting++;
    const turn = this.#last.then(work).finally(() => {
      this.#waiting--;
    });
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #takeInto(
    engine: Engine,
    previous: ChainPoint,
    frames: readonly Frame[],
    refusal: Refusal,
  ): Promise<ReplicateVerdict> {
    const standing = standingOf(engine.log.tail, previous, frames);
    switch (standing.kind) {
      case 'gap':
        return { kind: 'need', tail: engine.log.tail };
      case 'conflict':
        return { kind: 'conflict', epochs: engine.epochStarts() };
      case 'compare':
        return (await isOurs(engine, standing.point))
          ? { kind: 'need', tail: engine.log.tail }
          : { kind: 'conflict', epochs: engine.epochStarts() };
      case 'append':
        return (await this.#append(engine, standing.fresh, refusal)) ?? { kind: 'ok' };
      default:
        return assertNever(standing);
    }
  }

  /** Resolves when all frames are committed, or with why the rest of them is refused. */
  async #append(
    engine: Engine,
    fresh: readonly Frame[],
    refusal: Refusal,
  ): Promise<ReplicateVerdict | undefined> {
    if (!engine.formats.isTaken && fresh.some(needsStep)) await engine.formats.take();
    const frames = checked(fresh);
    // At `always` each piece would wait for an fdatasync of its own.
    const endOf = engine.log.syncsEveryBatch ? (): number => frames.length : pieceEnd;
    for (let from = 0; from < frames.length; ) {
      if (from > 0) {
        await this.#clock.yield();
        const refused = refusal();
        if (refused !== undefined) return refused;
      }
      const to = endOf(frames, from);
      await committed(engine, frames, from, to);
      from = to;
    }
    return undefined;
  }

  /** True if one request is worked on and another waits: more would fill the memory while the disk hangs. */
  get isBusy(): boolean {
    return this.#waiting >= TURNS_MAX;
  }

  /** Resolves when everything taken so far is answered. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** The end of the piece that begins at `from`. Pure. */
function pieceEnd(frames: readonly Frame[], from: number): number {
  const endMax = Math.min(frames.length, from + PIECE_RECORDS);
  let to = from + 1;
  let bytes = (frames[from] as Frame).frameBytes;
  while (to < endMax) {
    bytes += (frames[to] as Frame).frameBytes;
    if (bytes > PIECE_BYTES) break;
    to++;
  }
  return to;
}

/** True if release 0.1.0 could not read the record. The append refuses a record that this program does not know either. */
function needsStep(frame: Frame): boolean {
  return (tryRecordKindOf(frame)?.level ?? 0) > 0;
}

/** True if this log has that record, or no longer reaches back to it, so that nothing contradicts it. */
async function isOurs(engine: Engine, point: ChainPoint): Promise<boolean> {
  const ours = await engine.log.lookup(point.lsn);
  return ours === undefined || (ours.epoch === point.epoch && ours.crc === point.crc);
}

/** Rejects with `WalnutError` where they are refused. */
function committed(engine: Engine, frames: CheckedFrames, from: number, to: number): Promise<void> {
  return new Promise((resolve, reject) => {
    engine.appendFrames(frames, (error) => (error === undefined ? resolve() : reject(error)), from, to);
  });
}

function checked(frames: readonly Frame[]): CheckedFrames {
  try {
    return checkFrames(frames);
  } catch (error) {
    throw blamedOnPeer(error);
  }
}

async function untilDurable(engine: Engine): Promise<void> {
  const { lsn } = engine.log.tail;
  if (await engine.waitDurable(lsn, APPLY_TIMEOUT_MS)) return;
  throw new WalnutError('unavailable', `record ${lsn} did not become durable within ${APPLY_TIMEOUT_MS} ms`);
}
