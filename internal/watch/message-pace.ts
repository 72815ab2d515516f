/**
 * How many messages all watchers of a node get together: so many in a window of time
 * without waiting. The next wait for the window's end, and what happens meanwhile
 * joins them: a thousand watchers with a change each cost no message each.
 */

export const PACE_WINDOW_MS = 100;
export const PACE_MESSAGES = 100;

export class MessagePace {
  #window = Number.NEGATIVE_INFINITY;
  #messages = 0;

  /** A message is sent at `nowMs`, whatever the pace. */
  note(nowMs: number): void {
    this.#open(nowMs);
    this.#messages++;
  }

  /** How long a message should wait; 0: not at all. */
  waitMs(nowMs: number): number {
    this.#open(nowMs);
    return this.#messages < PACE_MESSAGES ? 0 : (this.#window + 1) * PACE_WINDOW_MS - nowMs;
  }

  #open(nowMs: number): void {
    const window = Math.floor(nowMs / PACE_WINDOW_MS);
    if (window === this.#window) return;
    this.#window = window;
    this.#messages = 0;
  }
}
