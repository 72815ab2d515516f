/** What the page shows of the process that serves it: a node, a coordinator or a gateway. */
import { Stalls, type StallsSeen } from '#page/stalls.ts';
import type { Clock } from '#platform/clock.ts';
import type { Figure, Metrics } from '#platform/metrics.ts';

export interface PageSource {
  readonly clock: Clock;
  snapshot(): Promise<Snapshot>;
}

/** One moment of one process. */
export interface Snapshot {
  readonly kind: PageKind;
  readonly version: string;
  /** Wall time, milliseconds. */
  readonly atMs: number;
  /** What only this kind of process has, as the JSON of its rpcs. */
  readonly view: unknown;
  readonly stalls: StallsSeen;
  /** By name, the metrics of `SHOWN` that this process has. */
  readonly figures: Readonly<Record<string, readonly Figure[]>>;
}

export type PageKind = 'node' | 'coordinator' | 'gateway';

export interface PageSourceOptions {
  readonly kind: PageKind;
  readonly version: string;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Anything that is JSON. Throws what ends the stream. */
  readonly view: () => unknown;
}

/** The metrics that the page shows or raises alarms of. Those of the event loop are not among them, as reading resets them: `Stalls` has its own. */
export const SHOWN: readonly string[] = [
  'process_cpu_seconds_total',
  'process_resident_memory_bytes',
  'walnut_auth_file_ok',
  'walnut_batch_operations_total',
  'walnut_checkpoint_failing',
  'walnut_connections',
  'walnut_connections_max',
  'walnut_connections_refused_total',
  'walnut_coordinator_failovers_total',
  'walnut_coordinator_following',
  'walnut_diverged_unseen_tails',
  'walnut_keys_duration_seconds',
  'walnut_keys_requests_total',
  'walnut_memory_limit_bytes',
  'walnut_memory_planned_bytes',
  'walnut_otlp_exports_total',
  'walnut_otlp_interval_seconds',
  'walnut_otlp_last_success_timestamp_seconds',
  'walnut_rpc_duration_seconds',
  'walnut_rpc_handled_total',
  'walnut_slow_calls_total',
  'walnut_tls_certificate_expiry_seconds',
  'walnut_tls_ok',
  'walnut_wal_disk_free_bytes',
  'walnut_wal_disk_full_seconds',
  'walnut_wal_fsync_duration_seconds',
  'walnut_wal_records_total',
  'walnut_wal_written_bytes_total',
  'walnut_watch_slow_total',
  'walnut_watch_waiting_bytes',
  'walnut_watchers',
];

export function createPageSource({ kind, version, clock, metrics, view }: PageSourceOptions): PageSource {
  const stalls = new Stalls(clock);
  return {
    clock,
    snapshot: async () => ({
      kind,
      version,
      atMs: clock.wallMs(),
      view: view(),
      stalls: stalls.read(),
      figures: await metrics.read(SHOWN),
    }),
  };
}
