/**
 * The standard `process_*` metrics, with the names and meanings of the Prometheus
 * documentation, so that common dashboards and alerts work. A scrape omits what the
 * system does not report: everything from /proc except on Linux.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { memoryLimitBytes } from '#platform/memory.ts';
import type { Metrics } from '#platform/metrics.ts';
import { parseOpenFilesMax } from '#platform/open-files.ts';

const MICROSECONDS_PER_S = 1e6;

/** Registers the metrics. A scrape reads two small files and lists one directory of /proc. */
export function registerProcessMetrics(metrics: Metrics): void {
  metrics.counterFrom('process_cpu_user_seconds_total', 'User CPU time spent in seconds.', () => {
    return process.cpuUsage().user / MICROSECONDS_PER_S;
  });
  metrics.counterFrom('process_cpu_system_seconds_total', 'System CPU time spent in seconds.', () => {
    return process.cpuUsage().system / MICROSECONDS_PER_S;
  });
  metrics.counterFrom('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / MICROSECONDS_PER_S;
  });
  const startedS = Math.round(performance.timeOrigin) / 1_000;
  metrics.gaugeFrom(
    'process_start_time_seconds',
    'Start time of the process since unix epoch in seconds.',
    () => startedS,
  );
  metrics.gaugeFrom('process_resident_memory_bytes', 'Resident memory size in bytes.', () =>
    process.memoryUsage.rss(),
  );
  registerMemoryUse(metrics);
  optional(metrics, 'process_virtual_memory_bytes', 'Virtual memory size in bytes.', readVirtualBytes);
  optional(metrics, 'process_open_fds', 'Number of open file descriptors.', countOpenFiles);
  optional(metrics, 'process_max_fds', 'Maximum number of open file descriptors.', readOpenFilesMax);
  metrics.gaugeFrom(
    'walnut_memory_limit_bytes',
    'What this process may use: the limit of its cgroup, or the RAM.',
    memoryLimitBytes,
  );
}

/** The parts do not overlap; what else the process has resident is its program, stacks and the allocator's own. */
function registerMemoryUse(metrics: Metrics): void {
  metrics.gaugeFamilyFrom(
    'walnut_memory_used_bytes',
    'Memory of V8 and Node, by part: heap, heap_spare (reserved and free), buffers and other.',
    ['part'],
    () => {
      const { heapUsed, heapTotal, arrayBuffers, external } = process.memoryUsage();
      const parts = {
        heap: heapUsed,
        heap_spare: heapTotal - heapUsed,
        buffers: arrayBuffers,
        other: external - arrayBuffers,
      };
      return Object.entries(parts).map(([part, value]) => ({ labels: { part }, value }));
    },
  );
}

/** Registers a gauge that has no value if `read` returns undefined or throws. */
function optional(metrics: Metrics, name: string, help: string, read: () => number | undefined): void {
  metrics.gaugeFamilyFrom(name, help, [], () => {
    const value = read();
    return value === undefined ? [] : [{ labels: {}, value }];
  });
}

function readVirtualBytes(): number | undefined {
  const match = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return match === null ? undefined : Number(match[1]) * 1_024;
}

/** Counts open descriptors without the one that this call opens. */
function countOpenFiles(): number {
  return readdirSync('/proc/self/fd').length - 1;
}

/** The soft limit; undefined if there is none. */
function readOpenFilesMax(): number | undefined {
  const limit = parseOpenFilesMax(readFileSync('/proc/self/limits', 'utf8'));
  return limit === Number.POSITIVE_INFINITY ? undefined : limit;
}
