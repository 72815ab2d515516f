/** The metrics of a node's process and disk. The server registers those of requests and replicas. */
import type { AsideState } from '#engine/aside-pruner.ts';
import type { CloserStack } from '#platform/closer-stack.ts';
import type { LevelLogger } from '#platform/create-logger.ts';
import { DURATION_BUCKETS_S, type Metrics } from '#platform/metrics.ts';
import { openProcessMetrics } from '../run/process-metrics.ts';

export interface NodeMetrics {
  readonly metrics: Metrics;
  /** Takes the duration of each fdatasync of the log. */
  readonly onFsync: (seconds: number) => void;
  /** Takes the newest state of `aside/`. */
  readonly onAside: (state: AsideState) => void;
}

export function openNodeMetrics(logger: LevelLogger, closers: CloserStack): NodeMetrics {
  const metrics = openProcessMetrics(logger, closers);
  const fsyncSeconds = metrics.histogram(
    'walnut_wal_fsync_duration_seconds',
    'Time of each fdatasync of the log.',
    DURATION_BUCKETS_S,
  );
  return {
    metrics,
    onFsync: (seconds) => fsyncSeconds.observe(seconds),
    onAside: registerAside(metrics),
  };
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
