/**
 * A mark after 100 ms of silence: it vouches for durable records that nothing
 * written later tells of, so that a start can tell damage to them from a torn tail.
 */
import type { Clock, Timer } from '#platform/clock.ts';

const IDLE_MS = 100;

export interface IdleMarkParts {
  readonly clock: Clock;
  /** Whether durable records wait for something that vouches for them. */
  readonly isNeeded: () => boolean;
  /** Whether batches or tasks are under way. */
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
