/** In how many of the last seconds the event loop ran late. Read once a second, while somebody looks. */
import type { Clock } from '#platform/clock.ts';
import { type EventLoopMonitor, startEventLoopMonitor } from '#platform/event-loop-delay.ts';

export interface StallsSeen {
  /** So many of the last seconds are known, 60 at most. */
  readonly seconds: number;
  /** So many of them had a delay above 100 ms, by their 99th percentile. */
  readonly late: number;
  readonly maxMs: number;
}

const KEPT_MAX = 60;
const LATE_MS = 100;
/** Finds every stall of that length, for a fifth of the samples that scrapers get. */
const SAMPLE_MS = 50;
/** After a longer pause nobody looked, and what came before is no part of the last minute. */
const PAUSE_MS = 5_000;

export class Stalls {
  readonly #clock: Clock;
  readonly #open: () => EventLoopMonitor;
  /** A monitor of its own, as reading one begins it anew: that of the metrics belongs to scrapers. */
  #monitor: EventLoopMonitor | undefined;
  #readMs = Number.NEGATIVE_INFINITY;
  #kept: { readonly isLate: boolean; readonly maxMs: number }[] = [];

  constructor(clock: Clock, open = (): EventLoopMonitor => startEventLoopMonitor(SAMPLE_MS)) {
    this.#clock = clock;
    this.#open = open;
  }

  read(): StallsSeen {
    this.#monitor ??= this.#open();
    const { p99Ms, maxMs } = this.#monitor.read();
    const nowMs = this.#clock.monotonicMs();
    const wasPaused = nowMs - this.#readMs > PAUSE_MS;
    this.#readMs = nowMs;
    if (wasPaused) this.#kept = [];
    else this.#kept.push({ isLate: p99Ms > LATE_MS, maxMs });
    if (this.#kept.length > KEPT_MAX) this.#kept.shift();
    return {
      seconds: this.#kept.length,
      late: this.#kept.filter(({ isLate }) => isLate).length,
      maxMs: this.#kept.reduce((most, one) => Math.max(most, one.maxMs), 0),
    };
  }
}
