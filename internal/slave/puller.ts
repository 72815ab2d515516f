/**
 * Pulls what a replica is behind with from its master's log, until it is level.
 * The next answers are asked for while the last is applied, so that neither node
 * waits for the other; what is asked for is little enough to be applied in one
 * go without a stall, and becomes less where the way is too slow for it.
 */

import type { Engine } from '#engine/engine.ts';
import type { UpdatesAnswer } from '#model/commands.ts';
import { unavailable } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { PeerLink } from '#replication/peer-link.ts';
import { framesFromPeer } from '#slave/peer-frames.ts';
import type { Receiver } from '#slave/receiver.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';

export interface PullerOptions {
  /** The master's at the moment. */
  readonly link: () => PeerLink;
  readonly receiver: Receiver;
  readonly clock: Clock;
  /** Told what the master has durable, with each answer. */
  readonly onHeard: (durableLsn: Lsn) => void;
  /** Told how many records are still missing. */
  readonly onBehind: (records: number) => void;
}

/** An answer takes 3 s at most: bytes that a way of 350 kB/s carries, applied within some 10 ms. */
const PULL_BYTES_MAX = 1 << 20;
const PULL_BYTES_MIN = 64 * 1_024;
const PULL_TIMEOUT_MS = 3_000;
/** Answers that may be here and not applied yet, before the next is asked for. */
const ARRIVED_MAX = 2;

interface Pulled {
  /** Monotonic time when it was asked for: the master's word is not older. */
  readonly askedMs: number;
  readonly after: ChainPoint;
  readonly answer: UpdatesAnswer;
  readonly frames: readonly Frame[];
  /** Where what was pulled ends. */
  readonly end: ChainPoint;
}

/** Answers that follow one another, asked for ahead of their being applied. */
class ReadAhead {
  readonly #ask: (after: ChainPoint) => Promise<Pulled>;
  readonly #asked: Promise<Pulled>[] = [];
  /** Asked for; what follows it is known when it is here. */
  #isUnderWay = false;
  /** Where to go on from, once there is room; undefined: nothing follows, or it is not known yet. */
  #next: ChainPoint | undefined;
  #isDropped = false;

  constructor(ask: (after: ChainPoint) => Promise<Pulled>, after: ChainPoint) {
    this.#ask = ask;
    this.#next = after;
    this.#goOn();
  }

  /** The next answer; undefined where nothing follows what was taken. */
  async take(): Promise<Pulled | undefined> {
    const pulled = await this.#asked.shift();
    this.#goOn();
    return pulled;
  }

  /** Nobody takes any more: what is on its way comes to nothing, and nothing is asked for after it. */
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
    // It may be dropped, and fail later.
    pulled.catch(() => undefined);
    this.#asked.push(pulled);
  }
}

export class Puller {
  readonly #options: PullerOptions;
  #bytesMax = PULL_BYTES_MAX;

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when everything that the master had durable at the monotonic time
   * it resolves with is here. Rejects with `WalnutError` where the link breaks,
   * the log does not reach back, or the histories differ.
   */
  async pullUntilLevel(engine: Engine, signal: AbortSignal): Promise<number> {
    const { receiver, onHeard, onBehind } = this.#options;
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
        const verdict = await receiver.take(after, frames, false);
        if (verdict.kind === 'conflict') throw unavailable('the histories differ: registering again');
        if (tail().lsn >= answer.latest.lsn) return askedMs;
        onBehind(answer.latest.lsn - tail().lsn);
        // Where pushes came in between, what was asked for ahead is here already.
        if (tail().lsn === end.lsn) continue;
        ahead.drop();
        ahead = new ReadAhead(ask, tail());
      }
    } finally {
      over.abort();
    }
  }

  async #ask(after: ChainPoint, signal: AbortSignal): Promise<Pulled> {
    const { link, clock } = this.#options;
    const askedMs = clock.monotonicMs();
    try {
      const answer = await link().getUpdates(
        { after: { epoch: after.epoch, lsn: after.lsn }, format: 'frames', bytesMax: this.#bytesMax },
        { timeoutMs: PULL_TIMEOUT_MS, signal },
      );
      this.#bytesMax = Math.min(this.#bytesMax * 2, PULL_BYTES_MAX);
      const frames = framesFromPeer(answer.frames);
      const last = frames.at(-1);
      const end = last === undefined ? after : pointOf(last);
      return { askedMs, after, answer, frames, end };
    } catch (error) {
      const isLate = clock.monotonicMs() - askedMs >= PULL_TIMEOUT_MS;
      if (isLate) this.#bytesMax = Math.max(this.#bytesMax / 4, PULL_BYTES_MIN);
      throw error;
    }
  }
}
