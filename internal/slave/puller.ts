/**
 * Pulls what a replica is behind with from its master's log, until it is level.
 * The next answer is asked for while the last is applied, so that neither node
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
import type { Receiver } from '#slave/receiver.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';

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

interface Pulled {
  /** Monotonic time when it was asked for: the master's word is not older. */
  readonly askedMs: number;
  readonly after: ChainPoint;
  readonly answer: UpdatesAnswer;
  readonly frames: readonly Frame[];
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
    const ask = (after: ChainPoint): Promise<Pulled> => {
      const pulled = this.#ask(after, AbortSignal.any([signal, over.signal]));
      // It may be dropped, and fail later.
      pulled.catch(() => undefined);
      return pulled;
    };
    try {
      let asked = ask(engine.log.tail);
      for (;;) {
        const { askedMs, after, answer, frames } = await asked;
        onHeard(answer.latest.lsn);
        const last = frames.at(-1);
        const end = last === undefined ? after : { epoch: last.epoch, lsn: last.lsn, crc: last.crc };
        const next = end.lsn < answer.latest.lsn && last !== undefined ? ask(end) : undefined;
        const verdict = await receiver.take(after, frames, false);
        if (verdict.kind === 'conflict') throw unavailable('the histories differ: registering again');
        const { tail } = engine.log;
        if (tail.lsn >= answer.latest.lsn) return askedMs;
        onBehind(answer.latest.lsn - tail.lsn);
        // Where pushes came in between, what was asked for ahead is here already.
        asked = next !== undefined && tail.lsn === end.lsn ? next : ask(tail);
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
      return { askedMs, after, answer, frames: decodeFrames(answer.frames) };
    } catch (error) {
      const isLate = clock.monotonicMs() - askedMs >= PULL_TIMEOUT_MS;
      if (isLate) this.#bytesMax = Math.max(this.#bytesMax / 4, PULL_BYTES_MIN);
      throw error;
    }
  }
}
