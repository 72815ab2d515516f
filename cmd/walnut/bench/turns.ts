/**
 * When each call of a load begins. With a rate (open loop) the calls are due at fixed times,
 * whatever became of those before, and the time of a call counts from when it was due: a
 * caller that is late because the node was slow hides nothing (no coordinated omission).
 * Without a rate (closed loop) each caller begins its next call when its last one ended, so
 * a slow node is asked less.
 */
import type { Pace } from './pace.ts';

export interface TurnOptions {
  readonly pace: Pace;
  /** Calls in a second; undefined: closed loop. */
  readonly ratePerS: number | undefined;
  readonly beginMs: number;
  /** No call is due at this time or later. */
  readonly endMs: number;
  /** For how long after the end calls that were due before it may still begin. */
  readonly overtimeMs: number;
  readonly stopped: AbortSignal;
}

const MS_PER_S = 1_000;

export class Turns {
  readonly #options: TurnOptions;
  readonly #onLate: (lateMs: number) => void;
  #taken = 0;
  #stoppedMs: number | undefined;

  /** `onLate`: how much later than due a call begins whose caller had waited for it. */
  constructor(options: TurnOptions, onLate: (lateMs: number) => void) {
    this.#options = options;
    this.#onLate = onLate;
    const { pace, stopped } = options;
    const onStop = (): void => {
      this.#stoppedMs = pace.nowMs();
    };
    if (stopped.aborted) onStop();
    else stopped.addEventListener('abort', onStop, { once: true });
  }

  /** Resolves, when the caller's next call is to begin, with the time from which it counts; with undefined at the end. */
  async next(): Promise<number | undefined> {
    const { pace, ratePerS, endMs, overtimeMs, stopped } = this.#options;
    const nowMs = pace.nowMs();
    if (stopped.aborted) return undefined;
    if (ratePerS === undefined) return nowMs < endMs ? nowMs : undefined;
    const dueMs = this.#dueMs(this.#taken, ratePerS);
    if (dueMs >= endMs || nowMs >= endMs + overtimeMs) return undefined;
    this.#taken++;
    if (dueMs <= nowMs) return dueMs;
    await pace.until(dueMs, stopped);
    if (stopped.aborted) return undefined;
    this.#onLate(pace.nowMs() - dueMs);
    return dueMs;
  }

  /** Calls that were due before the end, or before the stop, and had no caller. */
  get unsent(): number {
    const { ratePerS, beginMs, endMs } = this.#options;
    if (ratePerS === undefined) return 0;
    const lastMs = Math.min(endMs, this.#stoppedMs ?? endMs);
    const due = Math.ceil(((lastMs - beginMs) * ratePerS) / MS_PER_S);
    return Math.max(0, due - this.#taken);
  }

  #dueMs(index: number, ratePerS: number): number {
    return this.#options.beginMs + (index * MS_PER_S) / ratePerS;
  }
}
