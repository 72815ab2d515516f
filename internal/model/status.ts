/** What a node says of itself: the answer of Status and the source of most metrics. */
import type { ClockStatus } from '#model/clock.ts';
import type { Lsn, Position } from '#model/position.ts';

export type Role = 'master' | 'replica';

export type NodeState =
  | 'loading'
  | 'serving'
  | 'streaming'
  /** As `streaming`, on a replica that applies late. */
  | 'delayed'
  | 'catching_up'
  | 'quarantined'
  | 'fenced'
  | 'no_space'
  | 'draining';

export interface WalStatus {
  readonly segments: number;
  readonly bytes: number;
}

export interface StoreStatus {
  /** Stored, expired-but-not-yet-deleted included, as in `bytes` and the digest. */
  readonly entries: number;
  readonly bytes: number;
  /** The limits in force, as the log says them; 0: none. */
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly hits: number;
  readonly misses: number;
  /** Entries deleted with the cause `evicted`, `expired`. */
  readonly evicted: number;
  readonly expired: number;
}

/** What was found out about the state in memory, since the process started. */
export interface IntegrityStatus {
  /** On a replica: digests compared with the master's at one LSN, and those that differed. */
  readonly digestComparisons: number;
  readonly digestMismatches: number;
  /** How often the state in memory was given up and recovered from the disk here. */
  readonly rebuilds: number;
}

/** Of the passes that re-hash the state in memory, since the process started. */
export interface ScrubStatus {
  /** Passes that came to their end without a finding. */
  readonly scrubs: number;
  /** Altered entries found. */
  readonly alteredFound: number;
  /** Of the pass under way, 0 .. 1. */
  readonly scrubFraction: number;
  /** When the last of `scrubs` ended, milliseconds since the Unix epoch; 0: none has. */
  readonly lastScrubAtMs: number;
}

/** How far a scrub that an operator asked for is, or what came of it. */
export interface ScrubProgress {
  readonly entries: number;
  readonly entriesTotal: number;
  /** Bytes of values. */
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly isDone: boolean;
  readonly altered: number;
  /** What was found, one line each; the first ten entries. */
  readonly findings: readonly string[];
}

export const STORE_UNKNOWN: StoreStatus = {
  entries: 0,
  bytes: 0,
  entriesMax: 0,
  bytesMax: 0,
  hits: 0,
  misses: 0,
  evicted: 0,
  expired: 0,
};
export const INTEGRITY_UNKNOWN: IntegrityStatus = { digestComparisons: 0, digestMismatches: 0, rebuilds: 0 };
export const SCRUB_UNKNOWN: ScrubStatus = {
  scrubs: 0,
  alteredFound: 0,
  scrubFraction: 0,
  lastScrubAtMs: 0,
};

/** On a replica: the master it follows. */
export interface UpstreamStatus {
  /** `host:port`. */
  readonly address: string;
  readonly isLinked: boolean;
  readonly lagRecords: number;
  readonly lagMs: number;
}

/** On a replica with `replication.apply_delay`: what waits. */
export interface DelayStatus {
  readonly delayMs: number;
  /** An operator stopped it: nothing comes due until that is lifted. */
  readonly isHeld: boolean;
  /** In the log here and not applied yet. */
  readonly waitingRecords: number;
  /** Until the next of them is applied, by the master's clock; undefined: held, or none is known. */
  readonly nextDueInMs: number | undefined;
}

/** What an operator may do with a delayed replica. */
export type DelayControl =
  /** Apply everything up to `lsn` at once, then hold there, or go on by the delay. */
  | { readonly kind: 'release_to'; readonly lsn: Lsn; readonly goesOn: boolean }
  /** Apply everything that is here at once, then go on by the delay. */
  | { readonly kind: 'release_all' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' };

export interface DelayAnswer {
  /** The last applied position. */
  readonly position: Position;
  readonly durableLsn: Lsn;
  readonly delay: DelayStatus;
}

/** On a master: one replica it knows. `state` is from the pusher's point of view. */
export interface ReplicaStatus {
  readonly nodeId: string;
  readonly address: string;
  readonly state: NodeState;
  /** The last position fdatasynced there. */
  readonly acked: Position;
  readonly lagRecords: number;
  readonly lagMs: number;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  readonly lastFullResyncReason: string;
  /** Its state is known to differ from this node's. */
  readonly isDifferent?: boolean | undefined;
  /** How long after this node it applies what it acks; 0: at once. Then the lag is what it has not received. */
  readonly applyDelayMs: number;
  /** What is wrong with it and what to do, in one sentence; empty: nothing. */
  readonly problem?: string | undefined;
}

/** How a recovery goes, or went: from the base snapshot through the log behind it. */
export interface RecoveryStatus {
  readonly phase: 'snapshot' | 'log' | 'done';
  /** 0 .. 1 of all bytes to be read. */
  readonly fraction: number;
  /** Records of the log applied, and how many a second. */
  readonly records: number;
  readonly recordsPerS: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly elapsedMs: number;
  /** About how long it still takes; undefined where nothing can be said yet. */
  readonly etaMs: number | undefined;
}

export interface NodeStatus {
  readonly nodeId: string;
  readonly role: Role;
  readonly state: NodeState;
  readonly isReady: boolean;
  /** Why it is not ready, or what an operator should know. */
  readonly reasons: readonly string[];
  readonly logId: string;
  /** The highest term persisted here. */
  readonly term: number;
  /** How often this node became master since the process started. */
  readonly promotions: number;
  /** The last applied position. */
  readonly position: Position;
  readonly durableLsn: Lsn;
  readonly appliedLsn: Lsn;
  readonly earliestLsn: Lsn;
  readonly wal: WalStatus;
  readonly store: StoreStatus;
  readonly integrity: IntegrityStatus & ScrubStatus;
  readonly upstream: UpstreamStatus | undefined;
  readonly replicas: readonly ReplicaStatus[];
  /** On a replica that applies late. */
  readonly delay?: DelayStatus | undefined;
  /** Undefined while it loads. */
  readonly clock?: ClockStatus | undefined;
  /** The recovery under way, or the last one. */
  readonly recovery?: RecoveryStatus;
  readonly uptimeMs: number;
  readonly version: string;
}

export interface CheckpointAnswer {
  readonly position: Position;
  readonly entries: number;
  readonly snapshotBytes: number;
  readonly deletedSegments: number;
}

export interface RotateAnswer {
  /** The new segment's sequence number and the LSN it will begin with. */
  readonly segmentSeq: number;
  readonly firstLsn: Lsn;
}

/** Why a replica stopped following, kept until an operator releases it. */
export interface Quarantine {
  readonly reason: string;
  readonly sinceMs: number;
  readonly upstream: string;
  readonly upstreamLogId: string;
  readonly upstreamPosition: Position;
  readonly localLogId: string;
  readonly localPosition: Position;
}

/** `discard_local`: set the local data aside and follow; `keep`: stop following and keep what is here. */
export type QuarantineRelease = 'discard_local' | 'keep';
