/**
 * How many messages all watchers of a node get together: so many in a window of time
 * without waiting. The next wait for the window's end, and what happens meanwhile
 * joins them: a thousand watchers with a change each cost no message each. A window in
 * which very many are sent, one for each of a thousand watchers, lasts longer.
 */

export const PACE_WINDOW_MS = 100;
export const PACE_MESSAGES = 100;
/** With more messages a window lasts as much longer, in whole windows, up to so many: 400 ms. */
const WINDOW_MESSAGES = 500;
const WINDOWS_MAX = 4;

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
    return this.#messages < PACE_MESSAGES ? 0 : this.#next * PACE_WINDOW_MS - nowMs;
  }

  /** The number of the window that follows. */
  get #next(): number {
    const windows = Math.ceil(this.#messages / WINDOW_MESSAGES);
    return this.#window + Math.min(WINDOWS_MAX, Math.max(1, windows));
  }

  #open(nowMs: number): void {
    const window = Math.floor(nowMs / PACE_WINDOW_MS);
    if (window < this.#next) return;
    this.#window = window;
    this.#messages = 0;
  }
}
