/** The metrics of a node's process, disk and memory. The server registers those of requests and replicas. */
import type { AsideState } from '#engine/aside-pruner.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import type { LevelLogger } from '#platform/create-logger.ts';
import { type FreeBytesOptions, followFreeBytes } from '#platform/free-bytes.ts';
import type { MemoryPlan } from '#platform/memory-plan.ts';
import { DURATION_BUCKETS_S, type Metrics, type Sample } from '#platform/metrics.ts';
import type { OnPush } from '#replication/pusher.ts';
import type { LogMeter } from '#wal/log-meter.ts';
import { openProcessMetrics } from '../run/process-metrics.ts';

/** Bytes of a push: from one small record to `replication.max_push_bytes` at its largest, and one record above that. */
const PUSH_BYTES_BUCKETS = [256, 1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216];
const PUSH_RECORDS_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000];

export interface NodeMetrics {
  readonly metrics: Metrics;
  readonly logMeter: LogMeter;
  readonly onPush: OnPush;
  /** Takes the newest state of `aside/`. */
  readonly onAside: (state: AsideState) => void;
}

export function openNodeMetrics(
  logger: Pick<LevelLogger, 'droppedLines'>,
  closers: CloserStack,
  plan: MemoryPlan,
): NodeMetrics {
  const metrics = openProcessMetrics(logger, closers);
  registerMemoryPlan(metrics, plan);
  return {
    metrics,
    logMeter: createLogMeter(metrics),
    onPush: createPushMeter(metrics),
    onAside: registerAside(metrics),
  };
}

/** Needs the directory, so it comes after the lock on it. */
export function openDiskMetrics(metrics: Metrics, closers: CloserStack, options: FreeBytesOptions): void {
  const disk = followFreeBytes(options);
  closers.push('free bytes of the disk', () => disk.close());
  metrics.gaugeFamilyFrom(
    'walnut_wal_disk_free_bytes',
    'Bytes free on the disk under wal.directory, at most ten seconds ago.',
    [],
    () => sampleOf(disk.bytes),
  );
  metrics.gaugeFamilyFrom(
    'walnut_wal_disk_full_seconds',
    'Seconds until the disk under wal.directory is full, by the trend of at most six hours.',
    [],
    () => sampleOf(disk.fullInS),
  );
}

/** No sample where there is no value. */
function sampleOf(value: number | undefined): Sample<never>[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}

function createLogMeter(metrics: Metrics): LogMeter {
  const records = metrics.counterFamily(
    'walnut_wal_records_total',
    'Records that the log took, by result: written, or refused because the disk had no room.',
    ['result'],
  );
  const written = records.with({ result: 'written' });
  const refused = records.with({ result: 'refused' });
  const bytes = metrics.counter('walnut_wal_written_bytes_total', 'Bytes of records written to the log.');
  const batches = metrics.counter(
    'walnut_wal_batches_total',
    'Writes to the log: one for all records that came during the one before.',
  );
  const fsyncSeconds = metrics.histogram(
    'walnut_wal_fsync_duration_seconds',
    'Time of each fdatasync of the log.',
    DURATION_BUCKETS_S,
  );
  return {
    written: (count, size) => {
      written.inc(count);
      bytes.inc(size);
      batches.inc();
    },
    refused: (count) => refused.inc(count),
    synced: (seconds) => fsyncSeconds.observe(seconds),
  };
}

function createPushMeter(metrics: Metrics): OnPush {
  const records = metrics.histogram(
    'walnut_replication_push_records',
    'On a master: records in each push that has any.',
    PUSH_RECORDS_BUCKETS,
  );
  const bytes = metrics.histogram(
    'walnut_replication_push_bytes',
    'On a master: bytes of the records in each push that has any.',
    PUSH_BYTES_BUCKETS,
  );
  return (count, size) => {
    records.observe(count);
    bytes.observe(size);
  };
}

function registerMemoryPlan(metrics: Metrics, plan: MemoryPlan): void {
  const { programBytes, callBytes, answerBytes, bodyBytes, ringBytes, snapshotBytes, watchBytes } = plan;
  const parts = {
    program: programBytes,
    calls: callBytes,
    answers: answerBytes,
    bodies: bodyBytes,
    ring: ringBytes,
    snapshot: snapshotBytes,
    watch: watchBytes,
    room: plan.storeBytes,
  };
  const samples = Object.entries(parts).map(([part, value]) => ({ labels: { part }, value }));
  metrics.gaugeFamilyFrom(
    'walnut_memory_planned_bytes',
    'Bytes planned at the start, by part; answers and bodies are parts of calls.',
    ['part'],
    () => samples,
  );
}

/** Returns the function that takes the newest state. */
function registerAside(metrics: Metrics): (state: AsideState) => void {
  let aside: AsideState = { bytes: 0, protectedBytes: 0, unseenTails: 0 };
  metrics.gaugeFrom('walnut_aside_bytes', 'Bytes of files in aside/.', () => aside.bytes);
  metrics.gaugeFrom(
    'walnut_aside_protected_bytes',
    'Bytes in aside/ in folders with diverged records that nobody has seen.',
    () => aside.protectedBytes,
  );
  metrics.gaugeFrom(
    'walnut_diverged_unseen_tails',
    'Diverged tails that nobody has called seen.',
    () => aside.unseenTails,
  );
  return (state) => {
    aside = state;
  };
}
