/** A node's configuration, checked and in plain units. Made by `loadConfig`, written by `printConfig`. */
import type { EvictionPolicy } from '#model/entry.ts';
import type { LogFormat, LogLevel } from '#platform/create-logger.ts';

/** When the log is fdatasynced: before each answer, every `syncIntervalMs`, or by the kernel's leave. */
export type FsyncPolicy = 'always' | 'interval' | 'never';

export interface ServerConfig {
  /** 0: the system gives a free one. */
  readonly port: number;
  /** The address to bind. */
  readonly address: string;
  /** `host:port` for peers and hints; undefined: the address the master sees, plus the port. */
  readonly advertise: string | undefined;
  /** Names by which callers may call this node, beside localhost, its own and that of `advertise`. */
  readonly allowedHosts: readonly string[];
  readonly valueBytesMax: number;
  readonly batchBytesMax: number;
}

export interface WalConfig {
  /** Absolute where `loadConfig` was told the working directory. */
  readonly directory: string;
  readonly fsync: FsyncPolicy;
  readonly syncIntervalMs: number;
  /** Bytes at which a segment is sealed. */
  readonly fileBytesMax: number;
  /** Bytes of log kept behind the snapshot, for replicas that were away. */
  readonly retentionBytes: number;
  /** Bytes kept of what was set aside. */
  readonly asideBytesMax: number;
  /** How long something set aside is kept. */
  readonly asideAgeMaxMs: number;
}

export interface SnapshotConfig {
  /** Bytes of log after which a snapshot is made. */
  readonly everyBytes: number;
}

export interface StorageConfig {
  /** 0: no limit by number. */
  readonly entriesMax: number;
  readonly memoryBytesMax: number;
  /** 0: entries without an expiry of their own never expire. */
  readonly defaultTtlMs: number;
  /** In which everything in memory is re-hashed once; 0: only when asked. */
  readonly scrubIntervalMs: number;
  readonly evictionPolicy: EvictionPolicy;
}

export interface ReplicationConfig {
  /** `host:port` of replicas that a starting master asks whether they hold newer history. */
  readonly replicas: readonly string[];
  /** At most one push per replica in this time; 0: whenever the last was answered and there is more. */
  readonly syncIntervalMs: number;
  /** Bytes of frames in one push; a single larger record still goes out whole. */
  readonly pushBytesMax: number;
  readonly heartbeatMs: number;
  /** A replica further behind is not ready. */
  readonly lagMsMax: number;
  /** Whether an unlinked or quarantined replica still serves reads. */
  readonly serveStale: boolean;
  /** Writes are refused while fewer replicas than this take pushes. */
  readonly minReplicasToWrite: number;
  /** Bytes a second at which snapshots go to replicas, all together. */
  readonly snapshotBytesPerSecond: number;
  /** Bytes of log kept for replicas that load a snapshot, beyond what is kept anyway. */
  readonly snapshotLogBytesMax: number;
}

export interface LogConfig {
  readonly level: LogLevel;
  readonly format: LogFormat;
}

/** What both roles have. */
export interface NodeConfig {
  readonly server: ServerConfig;
  readonly wal: WalConfig;
  readonly snapshot: SnapshotConfig;
  readonly storage: StorageConfig;
  readonly replication: ReplicationConfig;
  readonly log: LogConfig;
}

export interface MasterConfig extends NodeConfig {
  readonly role: 'master';
}

/** The section `master` of a slave's file. */
export interface UpstreamConfig {
  /** `host:port` of the master to follow. */
  readonly address: string;
  /** Silence after which the replica pulls by itself. */
  readonly syncIntervalMs: number;
}

export interface SlaveReplicationConfig extends ReplicationConfig {
  /** How long after the master what is logged here is applied; 0: at once. */
  readonly applyDelayMs: number;
}

export interface SlaveConfig extends NodeConfig {
  readonly role: 'replica';
  readonly replication: SlaveReplicationConfig;
  readonly master: UpstreamConfig;
}
