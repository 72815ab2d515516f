/** The metrics of a node: its state, read from Status when Prometheus asks, and the requests to its keys. */
import { NO_POSITION, termOf } from '#model/position.ts';
import type { NodeStatus, RecoveryStatus } from '#model/status.ts';
import type { Metrics } from '#platform/metrics.ts';
import { createCallObserver, type ObserveCall } from '#rpc/call-observer.ts';
import { registerReplicationMetrics } from '#server/replication-metrics.ts';
import type { BatchCount } from '#wire/batch-counts.ts';

/** `statusNow`: the node's, as the server shows it; made once for each scrape. */
export function registerNodeMetrics(metrics: Metrics, statusNow: () => NodeStatus): void {
  const status = metrics.perScrape(statusNow);
  registerNode(metrics, status);
  registerRecovery(metrics, status);
  registerStore(metrics, status);
  registerIntegrity(metrics, status);
  registerScrubs(metrics, status);
  registerReplicationMetrics(metrics, status);
  registerWatch(metrics, status);
  registerFills(metrics, status);
}

/** Counts requests to `/v1/keys` by method and lower-case code, `ok` included. */
export function createKeysObserver(metrics: Metrics): ObserveCall {
  const names = {
    total: ['walnut_keys_requests_total', 'Requests to /v1/keys, by HTTP method and code (ok included).'],
    seconds: ['walnut_keys_duration_seconds', 'Time from the head of a request to /v1/keys to its answer.'],
  } as const;
  const observe = createCallObserver(metrics, names);
  // Methods come from the network; only those that exist become labels.
  return (method, code, durationMs) =>
    observe(/^(GET|HEAD|PUT|POST|DELETE|OPTIONS)$/.test(method) ? method : 'other', code, durationMs);
}

/** Operations of Batches by the rpc that does the same alone, and by the code of their result. */
export function registerBatchMetrics(metrics: Metrics, counts: Iterable<BatchCount>): void {
  metrics.counterFamilyFrom(
    'walnut_batch_operations_total',
    'Operations of Batches, by the method that does the same and the code of their result (ok included).',
    ['method', 'code'],
    () =>
      Array.from(counts, ({ kind, code, count }) => ({
        labels: { method: methodOf(kind), code },
        value: count,
      })),
  );
}

function methodOf(kind: BatchCount['kind']): string {
  return kind === undefined
    ? 'unknown'
    : `walnut.v1.KVStore/${kind.slice(0, 1).toUpperCase()}${kind.slice(1)}`;
}

function registerNode(metrics: Metrics, status: () => NodeStatus): void {
  metrics.gaugeFamilyFrom(
    'walnut_node_info',
    'What the node is; always 1.',
    ['role', 'state', 'version'],
    () => {
      const { role, state, version } = status();
      return [{ labels: { role, state, version }, value: 1 }];
    },
  );
  metrics.gaugeFamilyFrom(
    'walnut_log_clock_offset_seconds',
    'How far the log clock is ahead of the wall clock of this machine; negative: behind.',
    [],
    () => {
      const { clock } = status();
      return clock === undefined ? [] : [{ labels: {}, value: clock.aheadMs / 1_000 }];
    },
  );
  metrics.gaugeFamilyFrom(
    'walnut_limits_unfit',
    'On a member of a cluster: 1 where the limits of its group are not those of its configuration, or are more than its machine has room for.',
    ['why'],
    () => {
      const { limits } = status();
      if (limits === undefined) return [];
      return [
        { labels: { why: 'configuration' }, value: limits.areOthers ? 1 : 0 },
        { labels: { why: 'room' }, value: limits.lackRoom ? 1 : 0 },
      ];
    },
  );
  metrics.gaugeFrom('walnut_uptime_seconds', 'Since the process started.', () => status().uptimeMs / 1_000);
  metrics.gaugeFrom('walnut_term', 'The term of the last applied record.', () =>
    termOf((status().position ?? NO_POSITION).epoch),
  );
  metrics.gaugeFrom('walnut_term_seen', 'The highest term persisted here.', () => status().term);
  metrics.counterFrom(
    'walnut_promotions_total',
    'How often this node became master since the process started.',
    () => status().promotions,
  );
  metrics.gaugeFrom('walnut_applied_lsn', 'Last LSN visible here.', () => status().appliedLsn);
  metrics.gaugeFrom('walnut_durable_lsn', 'Last LSN fdatasynced here.', () => status().durableLsn);
  metrics.gaugeFrom('walnut_earliest_lsn', 'First LSN that the log still has.', () => status().earliestLsn);
  metrics.gaugeFrom('walnut_wal_bytes', 'Bytes of all log segments.', () => status().wal.bytes);
  metrics.gaugeFrom(
    'walnut_wal_format_level',
    'Which formats the log may contain; 0: those of release 0.1.0.',
    () => status().wal.formatLevel,
  );
  metrics.gaugeFrom('walnut_wal_segments', 'Log segments.', () => status().wal.segments);
  metrics.counterFrom(
    'walnut_checkpoint_failures_total',
    'Checkpoints that failed; those of a node that stops do not count.',
    () => status().checkpoints?.failures ?? 0,
  );
  metrics.gaugeFrom('walnut_checkpoint_failing', '1 while the last checkpoint is one that failed.', () =>
    (status().checkpoints?.why ?? '') === '' ? 0 : 1,
  );
}

/** Figures of the recovery that is under way, or of the last one. */
function registerRecovery(metrics: Metrics, status: () => NodeStatus): void {
  const gauge = (name: string, help: string, read: (recovery: RecoveryStatus) => number | undefined): void =>
    metrics.gaugeFamilyFrom(name, help, [], () => {
      const { recovery } = status();
      const value = recovery === undefined ? undefined : read(recovery);
      return value === undefined ? [] : [{ labels: {}, value }];
    });
  gauge('walnut_recovery_progress_ratio', '1 when the directory is recovered.', (r) => r.fraction);
  gauge('walnut_recovery_records', 'Log records applied by the recovery.', (r) => r.records);
  gauge('walnut_recovery_bytes', 'Bytes of snapshot and log read by the recovery.', (r) => r.bytesDone);
  gauge('walnut_recovery_bytes_expected', 'Bytes of snapshot and log to be read.', (r) => r.bytesTotal);
  gauge(
    'walnut_recovery_duration_seconds',
    'Duration of the recovery in progress, or of the last one.',
    (r) => r.elapsedMs / 1_000,
  );
  gauge('walnut_recovery_remaining_seconds', 'About how long it still takes.', (r) =>
    r.etaMs === undefined ? undefined : r.etaMs / 1_000,
  );
}

function registerStore(metrics: Metrics, status: () => NodeStatus): void {
  metrics.gaugeFrom(
    'walnut_store_entries',
    'Stored entries, expired but not yet deleted ones included.',
    () => status().store.entries,
  );
  metrics.gaugeFrom(
    'walnut_store_bytes',
    'Bytes of entries, as storage.max_memory counts them.',
    () => status().store.bytes,
  );
  metrics.gaugeFrom(
    'walnut_store_max_entries',
    'storage.max_entries as the log says it; 0: no limit.',
    () => status().store.entriesMax,
  );
  metrics.gaugeFrom(
    'walnut_store_max_bytes',
    'storage.max_memory as the log says it; 0: no limit.',
    () => status().store.bytesMax,
  );
  metrics.counterFrom('walnut_store_hits_total', 'Gets that found their key.', () => status().store.hits);
  metrics.counterFrom('walnut_store_misses_total', 'Gets that found no entry.', () => status().store.misses);
  metrics.counterFrom(
    'walnut_store_evicted_total',
    'Entries deleted for room.',
    () => status().store.evicted,
  );
  metrics.counterFrom('walnut_store_expired_total', 'Entries deleted on time.', () => status().store.expired);
  metrics.counterFrom(
    'walnut_store_refused_total',
    'Writes refused because the store was full.',
    () => status().store.refused,
  );
}

function registerIntegrity(metrics: Metrics, status: () => NodeStatus): void {
  metrics.counterFrom(
    'walnut_digest_comparisons_total',
    'On a replica: digests compared with the master’s.',
    () => status().integrity.digestComparisons,
  );
  metrics.counterFrom(
    'walnut_digest_mismatches_total',
    'On a replica: comparisons that found another state here.',
    () => status().integrity.digestMismatches,
  );
  metrics.counterFrom(
    'walnut_rebuilds_total',
    'Times that the state in memory was given up and recovered from the disk here.',
    () => status().integrity.rebuilds,
  );
}

function registerWatch(metrics: Metrics, status: () => NodeStatus): void {
  metrics.gaugeFrom('walnut_watchers', 'Watches under way.', () => status().watch?.watchers ?? 0);
  metrics.gaugeFrom(
    'walnut_watch_waiting_bytes',
    'Bytes of changes that wait for watchers.',
    () => status().watch?.bytes ?? 0,
  );
  metrics.counterFrom(
    'walnut_watch_events_total',
    'Changes and entries given to watchers.',
    () => status().watch?.events ?? 0,
  );
  metrics.counterFrom(
    'walnut_watch_messages_total',
    'Messages given to watchers, progress marks included.',
    () => status().watch?.messages ?? 0,
  );
  metrics.counterFrom(
    'walnut_watch_slow_total',
    'Watches that were ended because their watcher was too slow.',
    () => status().watch?.slow ?? 0,
  );
}

function registerFills(metrics: Metrics, status: () => NodeStatus): void {
  metrics.gaugeFrom('walnut_fill_leases', 'Fill leases that are valid.', () => status().fill?.leases ?? 0);
  metrics.gaugeFrom(
    'walnut_fill_waiters',
    'Gets that wait for the fill lease of another caller to end.',
    () => status().fill?.waiters ?? 0,
  );
  metrics.counterFrom(
    'walnut_fill_leases_granted_total',
    'Fill leases given since this node became master.',
    () => status().fill?.granted ?? 0,
  );
  metrics.counterFamilyFrom(
    'walnut_fill_leases_ended_total',
    'Fill leases that ended, by a write of their key (written), by time (expired) or for lack of memory (dropped).',
    ['how'],
    () => {
      const { fill } = status();
      if (fill === undefined) return [];
      return (['written', 'expired', 'dropped'] as const).map((how) => ({
        labels: { how },
        value: fill[how],
      }));
    },
  );
}

function registerScrubs(metrics: Metrics, status: () => NodeStatus): void {
  metrics.counterFrom(
    'walnut_scrubs_total',
    'Scrubs of the whole memory without a finding.',
    () => status().integrity.scrubs,
  );
  metrics.counterFrom(
    'walnut_scrub_altered_total',
    'Altered entries that scrubs found.',
    () => status().integrity.alteredFound,
  );
  metrics.gaugeFrom(
    'walnut_scrub_progress_ratio',
    'How far the scrub under way is.',
    () => status().integrity.scrubFraction,
  );
  metrics.gaugeFrom(
    'walnut_scrub_last_success_timestamp_seconds',
    'When the last scrub ended without a finding; 0: none has.',
    () => status().integrity.lastScrubAtMs / 1_000,
  );
}
