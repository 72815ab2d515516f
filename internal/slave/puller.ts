/**
 * Pulls records from the master's log until the replica is level. The next
 * answer is requested while the last one is applied, so that neither node waits
 * for the other. An answer is small enough to be decoded without stalling the
 * event loop; on a slow network it gets smaller still.
 */

import type { Engine } from '#engine/engine.ts';
import type { UpdatesAnswer } from '#model/commands.ts';
import { unavailable } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import type { ChainPoint, ReplicateVerdict } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { framesFromPeer } from '#slave/peer-frames.ts';
import type { Receiver } from '#slave/receiver.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';

export interface PullerOptions {
  /** The link to the current master. */
  readonly link: () => PeerLink;
  readonly receiver: Receiver;
  /** The highest term that this node has persisted. */
  readonly knownTerm: () => number;
  readonly clock: Clock;
  /** Bytes of frames in one answer. */
  readonly bytesMax: number;
  /** Called for each answer with the last durable LSN of the master. */
  readonly onHeard: (durableLsn: Lsn) => void;
  /** Called with the number of records that are still missing. */
  readonly onBehind: (records: number) => void;
}

/** A network of 350 kB/s carries them within the 3 s of a call, and they are decoded in about 5 ms. */
export const PULL_BYTES_MAX = 1 << 20;
/** In a replica inside of another program, whose event loop it is. */
export const OBSERVER_PULL_BYTES_MAX = 256 * 1_024;
const PULL_BYTES_MIN = 64 * 1_024;
const PULL_TIMEOUT_MS = 3_000;
/** Answers that may wait to be applied before the next one is requested. */
const ARRIVED_MAX = 2;

interface Pulled {
  /** Monotonic time of the request: what the answer says of the master is not older. */
  readonly askedMs: number;
  readonly after: ChainPoint;
  readonly answer: UpdatesAnswer;
  readonly frames: readonly Frame[];
  /** The last record of the answer; `after` if it is empty. */
  readonly end: ChainPoint;
}

/** A sequence of answers, requested before the earlier ones are applied. */
class ReadAhead {
  readonly #ask: (after: ChainPoint) => Promise<Pulled>;
  readonly #asked: Promise<Pulled>[] = [];
  /** A request is in flight. Where the next one begins is known only when it is answered. */
  #isUnderWay = false;
  /** Where the next request begins, once there is room for its answer; undefined: nothing follows, or it is not known yet. */
  #next: ChainPoint | undefined;
  #isDropped = false;

  constructor(ask: (after: ChainPoint) => Promise<Pulled>, after: ChainPoint) {
    this.#ask = ask;
    this.#next = after;
    this.#goOn();
  }

  /** The next answer; undefined after the last one. */
  async take(): Promise<Pulled | undefined> {
    const pulled = await this.#asked.shift();
    this.#goOn();
    return pulled;
  }

  /** Ends the sequence: the answer in flight is ignored, and no further one is requested. */
  drop(): void {
    this.#isDropped = true;
  }

  #goOn(): void {
    const after = this.#next;
    if (this.#isDropped || after === undefined || this.#isUnderWay || this.#asked.length >= ARRIVED_MAX)
      return;
    this.#next = undefined;
    this.#isUnderWay = true;
    const pulled = this.#ask(after).then((each) => {
      this.#isUnderWay = false;
      if (each.frames.length > 0 && each.end.lsn < each.answer.latest.lsn) this.#next = each.end;
      this.#goOn();
      return each;
    });
    // After `drop` nobody awaits it, and it may still fail.
    pulled.catch(() => undefined);
    this.#asked.push(pulled);
  }
}

export class Puller {
  readonly #options: PullerOptions;
  /** Bytes of the next answer. */
  #bytes: number;

  constructor(options: PullerOptions) {
    this.#options = options;
    this.#bytes = options.bytesMax;
  }

  /**
   * Resolves when this replica is level, with the monotonic time at which the
   * master had exactly these durable records. Rejects with `WalnutError` if the
   * link breaks, the master's log no longer has the records, or the histories differ.
   * `term`: the master's; nothing is taken once a higher one was granted.
   */
  async pullUntilLevel(engine: Engine, term: number, signal: AbortSignal): Promise<number> {
    const { receiver, onHeard, onBehind, knownTerm } = this.#options;
    const refusal = (): ReplicateVerdict | undefined =>
      knownTerm() > term ? { kind: 'fenced', term: knownTerm() } : undefined;
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const ask = (after: ChainPoint): Promise<Pulled> => this.#ask(after, either);
    try {
      const tail = (): ChainPoint => engine.log.tail;
      let ahead = new ReadAhead(ask, tail());
      for (;;) {
        const pulled = await ahead.take();
        if (pulled === undefined) {
          ahead = new ReadAhead(ask, tail());
          continue;
        }
        const { askedMs, after, answer, frames, end } = pulled;
        onHeard(answer.latest.lsn);
        const verdict = await receiver.take(after, frames, false, refusal);
        if (verdict.kind === 'fenced') throw unavailable(`term ${verdict.term} was granted meanwhile`);
        if (verdict.kind === 'conflict') throw unavailable('the histories differ: registering again');
        if (tail().lsn >= answer.latest.lsn) return askedMs;
        onBehind(answer.latest.lsn - tail().lsn);
        // If pushes arrived meanwhile, the replica already has what was requested ahead.
        if (tail().lsn === end.lsn) continue;
        ahead.drop();
        ahead = new ReadAhead(ask, tail());
      }
    } finally {
      over.abort();
    }
  }

  async #ask(after: ChainPoint, signal: AbortSignal): Promise<Pulled> {
    const { link, clock, bytesMax } = this.#options;
    const askedMs = clock.monotonicMs();
    try {
      const answer = await link().getUpdates(
        { after: { epoch: after.epoch, lsn: after.lsn }, format: 'frames', bytesMax: this.#bytes },
        { timeoutMs: PULL_TIMEOUT_MS, signal },
      );
      this.#bytes = Math.min(this.#bytes * 2, bytesMax);
      const frames = framesFromPeer(answer.frames);
      const last = frames.at(-1);
      const end = last === undefined ? after : pointOf(last);
      return { askedMs, after, answer, frames, end };
    } catch (error) {
      const isLate = clock.monotonicMs() - askedMs >= PULL_TIMEOUT_MS;
      if (isLate) this.#bytes = Math.max(this.#bytes / 4, PULL_BYTES_MIN);
      throw error;
    }
  }
}
