/**
 * Writes a mark after 100 ms without a batch, if no later item states yet that the
 * last records are durable. With it a start can distinguish damage to them from a
 * torn tail.
 */
import type { Clock, Timer } from '#platform/clock.ts';

const IDLE_MS = 100;

export interface IdleMarkParts {
  readonly clock: Clock;
  /** True if there are durable records that no later item states to be durable. */
  readonly isNeeded: () => boolean;
  /** True if batches or tasks are running. */
  readonly isBusy: () => boolean;
  readonly write: () => void;
}

export class IdleMark {
  readonly #parts: IdleMarkParts;
  #lastActivityMs = 0;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(parts: IdleMarkParts) {
    this.#parts = parts;
  }

  /** A batch was written. */
  noteActivity(): void {
    this.#lastActivityMs = this.#parts.clock.monotonicMs();
  }

  schedule(waitMs = IDLE_MS): void {
    const { clock, isNeeded, isBusy, write } = this.#parts;
    if (this.#timer !== undefined || this.#isStopped || !isNeeded()) return;
    this.#timer = clock.after(waitMs, () => {
      this.#timer = undefined;
      if (this.#isStopped) return;
      const idleMs = clock.monotonicMs() - this.#lastActivityMs;
      if (isBusy() || idleMs < IDLE_MS) this.schedule(Math.max(1, Math.min(IDLE_MS, IDLE_MS - idleMs)));
      else if (isNeeded()) write();
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
