/** Converts a configuration to the options of a node. Pure. */
import type { NodeConfig } from '#config/binaries.ts';
import type { StorageConfig } from '#config/sections/storage.ts';
import { PULL_MS_DEFAULT } from '#config/sections/upstream.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { Role } from '#model/status.ts';
import type { NodeOptions } from '#node/node-options.ts';

export type ConfiguredOptions = Pick<
  NodeOptions,
  | 'role'
  | 'upstream'
  | 'fsync'
  | 'walSyncIntervalMs'
  | 'maxFileBytes'
  | 'retentionBytes'
  | 'asideBytesMax'
  | 'asideAgeMaxMs'
  | 'snapshotEveryBytes'
  | 'limits'
  | 'defaultTtlMs'
  | 'scrubIntervalMs'
  | 'replicas'
  | 'pushIntervalMs'
  | 'pushBytesMax'
  | 'heartbeatMs'
  | 'maxLagMs'
  | 'serveStale'
  | 'minReplicasToWrite'
  | 'snapshotBytesPerSecond'
  | 'snapshotLogBytesMax'
  | 'pullIntervalMs'
  | 'applyDelayMs'
>;

/** Without the default time to live, which is the log's in a cluster only. */
export function toLimits(storage: StorageConfig): StoreLimits {
  return {
    entriesMax: storage.entriesMax,
    bytesMax: storage.memoryBytesMax,
    policy: storage.evictionPolicy,
    scope: storage.evictionScope,
  };
}

/** The role of a fresh directory. */
export function roleOf({ kind }: NodeConfig): Role {
  return kind === 'master' ? 'master' : 'replica';
}

export function toNodeOptions(config: NodeConfig): ConfiguredOptions {
  const { wal, storage, replication } = config;
  return {
    role: roleOf(config),
    upstream: config.kind === 'slave' ? config.master.address : '',
    fsync: wal.fsync,
    walSyncIntervalMs: wal.syncIntervalMs,
    maxFileBytes: wal.fileBytesMax,
    retentionBytes: wal.retentionBytes,
    asideBytesMax: wal.asideBytesMax,
    asideAgeMaxMs: wal.asideAgeMaxMs,
    snapshotEveryBytes: config.snapshot.everyBytes,
    limits: toLimits(storage),
    defaultTtlMs: storage.defaultTtlMs,
    scrubIntervalMs: storage.scrubIntervalMs,
    replicas: replication.replicas,
    pushIntervalMs: replication.syncIntervalMs,
    pushBytesMax: replication.pushBytesMax,
    heartbeatMs: replication.heartbeatMs,
    maxLagMs: replication.lagMsMax,
    serveStale: replication.serveStale,
    minReplicasToWrite: config.kind === 'node' ? 0 : config.replication.minReplicasToWrite,
    snapshotBytesPerSecond: replication.snapshotBytesPerSecond,
    snapshotLogBytesMax: replication.snapshotLogBytesMax,
    pullIntervalMs: config.kind === 'slave' ? config.master.syncIntervalMs : PULL_MS_DEFAULT,
    applyDelayMs: config.kind === 'slave' ? config.replication.applyDelayMs : 0,
  };
}
