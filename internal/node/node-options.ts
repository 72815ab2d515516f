/** What a node is built from: clock, disk and the other seams, and its configuration in plain units. */
import type { AsideState } from '#engine/aside-pruner.ts';
import type { StoreLimits } from '#model/entry.ts';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import type { Role } from '#model/status.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import type { TermSource } from '#node/term-source.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import type { OnPush } from '#replication/pusher.ts';
import type { LogMeter } from '#wal/log-meter.ts';

/** What the owner of the options may change while the node runs. The node reads it at each use. */
export interface ChangeableOptions {
  /** `replication.max_lag`: a replica further behind is not ready. */
  maxLagMs: number;
  /** `replication.serve_stale`: a replica that is not ready still serves reads. */
  serveStale: boolean;
  /** A master refuses writes while fewer replicas than this take pushes; default 0: it never does. */
  minReplicasToWrite?: number | undefined;
}

/** Sizes in bytes, times in milliseconds. */
export interface NodeOptions extends ChangeableOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly dialer: PeerDialer;
  readonly version: string;
  /** The binary's role: it decides the role of a fresh directory only. */
  readonly role: Role;
  /** `--force-role`: overrides MANIFEST; a forced master begins a new term. */
  readonly forcedRole?: Role | undefined;
  /** `host:port` of the master; empty on a master. */
  readonly upstream: string;
  readonly directory: string;
  /** True: a replica that asks for pushes and counts for nothing. It has no address, never leads and grants nothing. */
  readonly isObserver?: boolean | undefined;
  /** `cluster`: the cluster of which the node is a member; undefined: it is a node of a plain group. */
  readonly member?: MemberOptions | undefined;
  readonly fsync: FsyncPolicy;
  readonly walSyncIntervalMs: number;
  readonly maxFileBytes: number;
  readonly retentionBytes: number;
  readonly snapshotEveryBytes: number;
  /** Bytes of changed entries that may wait for the disk while a snapshot is written; default: 64 MiB. */
  readonly snapshotPendingBytesMax?: number | undefined;
  /** Bytes of frames kept in memory for replicas; default: 32 MiB. */
  readonly ringBytesMax?: number | undefined;
  /** Bytes of changes that may wait for watchers. */
  readonly watchBytesMax?: number | undefined;
  /** The limits of a master; a replica has those in the log, and a member those of its group. */
  readonly limits: StoreLimits;
  /** 0: sets that give no time to live never expire. In a cluster the log of the group says it, see `StoreLimits`. */
  readonly defaultTtlMs: number;
  /** `storage.scrub_interval`: in which everything in memory is re-hashed once; 0, the default: only when asked. */
  readonly scrubIntervalMs?: number | undefined;
  /** `replication.replicas`. */
  readonly replicas: readonly string[];
  /** `replication.sync_interval`. */
  readonly pushIntervalMs: number;
  /** `replication.max_push_bytes`: bytes of frames in one push; default: 1 MiB. */
  readonly pushBytesMax?: number | undefined;
  readonly heartbeatMs: number;
  /** Bytes a second at which snapshots go to replicas, all together; default: as fast as they read. */
  readonly snapshotBytesPerSecond?: number | undefined;
  /** Most log kept for replicas that load a snapshot; default: all that they need. */
  readonly snapshotLogBytesMax?: number | undefined;
  /** `master.sync_interval`: silence after which a replica pulls. */
  readonly pullIntervalMs: number;
  /** `replication.apply_delay`: how long after its master a replica applies what it logs; 0, the default: at once. */
  readonly applyDelayMs?: number | undefined;
  /** Chooses the terms that this node leads; default: it chooses them itself. */
  readonly terms?: TermSource | undefined;
  readonly logMeter?: LogMeter | undefined;
  readonly onPush?: OnPush | undefined;
  /** `wal.aside_max_bytes`, `wal.aside_max_age`: what `aside/` keeps; default: everything. */
  readonly asideBytesMax?: number | undefined;
  readonly asideAgeMaxMs?: number | undefined;
  readonly onAside?: ((state: AsideState) => void) | undefined;
  /**
   * The disk failed: nothing is acknowledged any more, and the process must exit with
   * code 4 within a second.
   */
  readonly onFatal: (error: Error) => void;
}
