/**
 * `replication`: pushes to replicas and what they may cost. A member of a cluster has no `min_replicas_to_write`:
 * its master would refuse writes for a reason that no failover ends, and QUORUM asks more of its replicas. A slave's
 * has `apply_delay` too.
 */
import { boolean, duration, hostPorts, size, wholeNumber } from '#config/leaf-schemas.ts';
import { defineSection, type ValuesOf } from '#config/section.ts';
import { formatSize } from '#config/size.ts';
import { DAY, HOUR, KIB, MIB, SECOND } from '#config/units.ts';
import { PUSH_BYTES_MAX_DEFAULT } from '#model/limits.ts';
import { formatDuration } from '#platform/duration.ts';

export interface MemberReplicationConfig {
  /** `host:port` of replicas that a starting master asks whether they have newer history. */
  readonly replicas: readonly string[];
  /** At most one push per replica in this time; 0: whenever the last was answered and there is more. */
  readonly syncIntervalMs: number;
  /** Bytes of frames in one push; a single larger record still goes out whole. */
  readonly pushBytesMax: number;
  readonly heartbeatMs: number;
  /** A replica further behind is not ready. */
  readonly lagMsMax: number;
  /** True if an unlinked or quarantined replica still serves reads. */
  readonly serveStale: boolean;
  /** Bytes a second at which snapshots go to replicas, all together. */
  readonly snapshotBytesPerSecond: number;
  /** Bytes of log kept for replicas that load a snapshot, beyond what is kept anyway. */
  readonly snapshotLogBytesMax: number;
}

export interface ReplicationConfig extends MemberReplicationConfig {
  /** Writes are refused while fewer replicas than this take pushes. */
  readonly minReplicasToWrite: number;
}

export interface SlaveReplicationConfig extends ReplicationConfig {
  /** How long after the master what is logged here is applied; 0: at once. */
  readonly applyDelayMs: number;
}

const sharedKeys = () => ({
  replicas: hostPorts(),
  sync_interval: duration({ min: 0, max: HOUR }, 10),
  max_push_bytes: size({ min: 4 * KIB, max: 16 * MIB }, PUSH_BYTES_MAX_DEFAULT),
  heartbeat: duration({ min: 1, max: HOUR }, 250),
  max_lag: duration({ min: 1 }, 5 * SECOND),
  serve_stale: boolean(true),
  snapshot_max_rate: size({ min: 1_000_000 }, 64_000_000),
  snapshot_max_log: size({ min: 0 }, 1_000_000_000),
});

const keys = () => ({ ...sharedKeys(), min_replicas_to_write: wholeNumber({ min: 0, max: 64 }, 0) });

function readShared(values: ValuesOf<ReturnType<typeof sharedKeys>>): MemberReplicationConfig {
  return {
    replicas: values.replicas,
    syncIntervalMs: values.sync_interval,
    pushBytesMax: values.max_push_bytes,
    heartbeatMs: values.heartbeat,
    lagMsMax: values.max_lag,
    serveStale: values.serve_stale,
    snapshotBytesPerSecond: values.snapshot_max_rate,
    snapshotLogBytesMax: values.snapshot_max_log,
  };
}

function read(values: ValuesOf<ReturnType<typeof keys>>): ReplicationConfig {
  return { ...readShared(values), minReplicasToWrite: values.min_replicas_to_write };
}

function printShared(replication: MemberReplicationConfig): Record<string, unknown> {
  return {
    replicas: replication.replicas,
    sync_interval: formatDuration(replication.syncIntervalMs),
    max_push_bytes: formatSize(replication.pushBytesMax),
    heartbeat: formatDuration(replication.heartbeatMs),
    max_lag: formatDuration(replication.lagMsMax),
    serve_stale: replication.serveStale,
    snapshot_max_rate: formatSize(replication.snapshotBytesPerSecond),
    snapshot_max_log: formatSize(replication.snapshotLogBytesMax),
  };
}

function print(replication: ReplicationConfig): Record<string, unknown> {
  return { ...printShared(replication), min_replicas_to_write: replication.minReplicasToWrite };
}

export const MEMBER_REPLICATION = defineSection({ keys: sharedKeys, read: readShared, print: printShared });

export const REPLICATION = defineSection({ keys, read, print });

export const SLAVE_REPLICATION = defineSection({
  keys: () => ({ ...keys(), apply_delay: duration({ min: 0, max: 30 * DAY }, 0) }),
  read: (values): SlaveReplicationConfig => ({ ...read(values), applyDelayMs: values.apply_delay }),
  print: (replication) => ({
    ...print(replication),
    apply_delay: formatDuration(replication.applyDelayMs),
  }),
});
