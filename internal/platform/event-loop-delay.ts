/**
 * Measures how late the event loop runs, with Node's sampling histogram. Number 24 of
 * docs/promises.md bounds its p99.9 at 50 ms.
 *
 * A reading covers the time since the previous one. Every scrape begins a new window,
 * so with two scrapers each sees only some of the stalls. A stall that begins within
 * 10 ms after a reading is missed, because sampling restarts.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Metrics } from '#platform/metrics.ts';

const RESOLUTION_MS = 10;
const NANOSECONDS_PER_MS = 1e6;

/** Milliseconds after the time at which the event loop should have run. */
export interface EventLoopDelay {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

export interface EventLoopMonitor {
  /** The delays since the last reading. */
  read(): EventLoopDelay;
  close(): void;
}

/** `resolutionMs`: between two samples, each of which wakes the process. */
export function startEventLoopMonitor(resolutionMs = RESOLUTION_MS): EventLoopMonitor {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  // A sample is the time between two timer calls, so an idle loop measures the resolution.
  const toDelayMs = (nanoseconds: number): number =>
    Number.isFinite(nanoseconds) ? Math.max(0, nanoseconds / NANOSECONDS_PER_MS - resolutionMs) : 0;
  return {
    read: () => {
      const delay = {
        p50Ms: toDelayMs(histogram.percentile(50)),
        p99Ms: toDelayMs(histogram.percentile(99)),
        p999Ms: toDelayMs(histogram.percentile(99.9)),
        maxMs: histogram.count === 0 ? 0 : toDelayMs(histogram.max),
      };
      histogram.reset();
      return delay;
    },
    close: () => histogram.disable(),
  };
}

/**
 * Registers `walnut_event_loop_delay_seconds{percentile}`; percentile 100 is the
 * longest stall. The label is not `quantile`, because Prometheus refuses that one on
 * anything but summaries.
 */
export function registerEventLoopDelay(metrics: Metrics, monitor: EventLoopMonitor): void {
  metrics.gaugeFamilyFrom(
    'walnut_event_loop_delay_seconds',
    'How late the event loop ran since the last scrape.',
    ['percentile'],
    () => {
      const delay = monitor.read();
      return [
        { labels: { percentile: '50' }, value: delay.p50Ms / 1_000 },
        { labels: { percentile: '99' }, value: delay.p99Ms / 1_000 },
        { labels: { percentile: '99.9' }, value: delay.p999Ms / 1_000 },
        { labels: { percentile: '100' }, value: delay.maxMs / 1_000 },
      ];
    },
  );
}
