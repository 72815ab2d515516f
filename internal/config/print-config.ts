/** A configuration as YAML in the file's own spelling; loading it gives the same configuration. */
import { stringify } from 'yaml';
import type { MasterConfig, SlaveConfig } from '#config/config.ts';
import { formatSize } from '#config/size.ts';
import { formatDuration } from '#platform/duration.ts';

export function printConfig(config: MasterConfig | SlaveConfig): string {
  const { server, wal, snapshot, storage, replication, log } = config;
  return stringify({
    server: {
      port: server.port,
      address: server.address,
      ...(server.advertise === undefined ? {} : { advertise: server.advertise }),
      allowed_hosts: server.allowedHosts,
      max_value_bytes: formatSize(server.valueBytesMax),
      max_batch_bytes: formatSize(server.batchBytesMax),
    },
    ...(config.role === 'replica'
      ? {
          master: {
            address: config.master.address,
            sync_interval: formatDuration(config.master.syncIntervalMs),
          },
        }
      : {}),
    wal: {
      directory: wal.directory,
      fsync: wal.fsync,
      sync_interval: formatDuration(wal.syncIntervalMs),
      max_file_size: formatSize(wal.fileBytesMax),
      retention: formatSize(wal.retentionBytes),
      aside_max_bytes: formatSize(wal.asideBytesMax),
      aside_max_age: formatDuration(wal.asideAgeMaxMs),
    },
    snapshot: { every: formatSize(snapshot.everyBytes) },
    storage: {
      max_entries: storage.entriesMax,
      max_memory: formatSize(storage.memoryBytesMax),
      default_ttl: formatDuration(storage.defaultTtlMs),
      scrub_interval: formatDuration(storage.scrubIntervalMs),
      eviction_policy: storage.evictionPolicy,
    },
    replication: {
      replicas: replication.replicas,
      sync_interval: formatDuration(replication.syncIntervalMs),
      max_push_bytes: formatSize(replication.pushBytesMax),
      heartbeat: formatDuration(replication.heartbeatMs),
      max_lag: formatDuration(replication.lagMsMax),
      serve_stale: replication.serveStale,
      min_replicas_to_write: replication.minReplicasToWrite,
      ...(config.role === 'replica' ? { apply_delay: formatDuration(config.replication.applyDelayMs) } : {}),
      snapshot_max_rate: formatSize(replication.snapshotBytesPerSecond),
      snapshot_max_log: formatSize(replication.snapshotLogBytesMax),
    },
    log: { level: log.level, format: log.format },
  });
}
