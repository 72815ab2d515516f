/** The metrics that every process has: its event loop, memory, processor time and log. */
import type { CloserStack } from '#platform/closer-stack.ts';
import type { LevelLogger } from '#platform/create-logger.ts';
import { registerEventLoopDelay, startEventLoopMonitor } from '#platform/event-loop-delay.ts';
import { Metrics } from '#platform/metrics.ts';
import { registerProcessMetrics } from '#platform/process-metrics.ts';

export function openProcessMetrics(logger: Pick<LevelLogger, 'droppedLines'>, closers: CloserStack): Metrics {
  const metrics = new Metrics();
  const monitor = startEventLoopMonitor();
  closers.push('event loop monitor', () => monitor.close());
  registerEventLoopDelay(metrics, monitor);
  registerProcessMetrics(metrics);
  metrics.counterFrom(
    'walnut_log_lines_dropped_total',
    'Log lines that could not be written, or that nobody read in time.',
    () => logger.droppedLines,
  );
  return metrics;
}
