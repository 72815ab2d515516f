/** How busy this process was itself: a load generator without time to spare measures itself. */
import type { EventLoopUtilization } from 'node:perf_hooks';
import type { RealPace } from './pace.ts';

export class OwnLoad {
  readonly #pace: RealPace;
  readonly #before: EventLoopUtilization = performance.eventLoopUtilization();
  readonly #startMs: number;
  readonly #watchedMs: number;
  /** The share of the time in which the event loop had something to do but look at the clock, from 0 to 1. */
  busy = 0;

  /** Measures from now until `end`. */
  constructor(pace: RealPace) {
    this.#pace = pace;
    this.#startMs = pace.nowMs();
    this.#watchedMs = pace.watchedMs;
  }

  end(): void {
    const { active } = performance.eventLoopUtilization(this.#before);
    const elapsedMs = this.#pace.nowMs() - this.#startMs;
    this.busy = busyShare(active, this.#pace.watchedMs - this.#watchedMs, elapsedMs);
  }
}

export function busyShare(activeMs: number, watchedMs: number, elapsedMs: number): number {
  if (elapsedMs <= 0) return 0;
  return Math.min(1, Math.max(0, (activeMs - watchedMs) / elapsedMs));
}
