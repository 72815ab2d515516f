/** The status of a node: the answer of Status and the source of most metrics. */
import type { ClockStatus } from '#model/clock.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { SlotRun } from '#model/slots.ts';
import type { WatchStatus } from '#model/watch.ts';

export type Role = 'master' | 'replica';

export type NodeState =
  | 'loading'
  | 'serving'
  | 'streaming'
  /** `streaming` on a delayed replica. */
  | 'delayed'
  | 'catching_up'
  | 'quarantined'
  | 'fenced'
  | 'no_space'
  /** A master in a cluster that may not write now, and may again at any moment. */
  | 'no_lease'
  | 'draining';

export interface WalStatus {
  readonly segments: number;
  readonly bytes: number;
  /** The level of the formats that the log may contain (`formats.ts`). */
  readonly formatLevel: number;
}

export interface StoreStatus {
  /** Stored entries. Expired ones count until they are deleted, also in `bytes` and the digest. */
  readonly entries: number;
  readonly bytes: number;
  /** The limits in force, taken from the log; 0: none. */
  readonly entriesMax: number;
  readonly bytesMax: number;
  readonly hits: number;
  readonly misses: number;
  /** Entries deleted with the cause `evicted`, and with the cause `expired`. */
  readonly evicted: number;
  readonly expired: number;
  /** Sets refused because the store was full and nothing could be evicted. */
  readonly refused: number;
}

/** Checks of the state in memory since the process started. */
export interface IntegrityStatus {
  /** On a replica: how often its digest was compared with the master's, and how often they differed. */
  readonly digestComparisons: number;
  readonly digestMismatches: number;
  /** How often this node discarded its state in memory and recovered it from disk. */
  readonly rebuilds: number;
}

/** Scrubs since the process started. */
export interface ScrubStatus {
  /** Scrubs that completed without a finding. */
  readonly scrubs: number;
  /** Altered entries found. */
  readonly alteredFound: number;
  /** Progress of the present scrub, 0 .. 1. */
  readonly scrubFraction: number;
  /** When the last of `scrubs` ended, in milliseconds since the Unix epoch; 0 if none has. */
  readonly lastScrubAtMs: number;
}

/** Progress or result of a scrub that an operator requested. */
export interface ScrubProgress {
  readonly entries: number;
  readonly entriesTotal: number;
  /** Bytes of values. */
  readonly bytes: number;
  readonly elapsedMs: number;
  readonly isDone: boolean;
  readonly altered: number;
  /** The findings, one line each, for the first ten altered entries. */
  readonly findings: readonly string[];
}

/** Checkpoints since the process started. */
export interface CheckpointStatus {
  /** How many failed. */
  readonly failures: number;
  /** Why the last one failed; empty if it did not, or if a newer snapshot came from elsewhere. */
  readonly why: string;
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
  refused: 0,
};
export const INTEGRITY_UNKNOWN: IntegrityStatus = { digestComparisons: 0, digestMismatches: 0, rebuilds: 0 };
export const SCRUB_UNKNOWN: ScrubStatus = {
  scrubs: 0,
  alteredFound: 0,
  scrubFraction: 0,
  lastScrubAtMs: 0,
};

/**
 * The lag, and the staleness, of data whose age is not known: beyond every limit. A replica that has not been
 * caught up since its start has it, unless a record of its log says when it was made.
 */
export const UNKNOWN_LAG_MS = Number.MAX_SAFE_INTEGER;

/** `12 ms old`, as a part of a sentence. */
export function describeAge(stalenessMs: number): string {
  return stalenessMs === UNKNOWN_LAG_MS ? 'of an age that is not known' : `${Math.ceil(stalenessMs)} ms old`;
}

/** On a replica: the master it follows. */
export interface UpstreamStatus {
  /** `host:port`. */
  readonly address: string;
  readonly isLinked: boolean;
  readonly lagRecords: number;
  readonly lagMs: number;
}

/** On a delayed replica: the delay and the records that wait. */
export interface DelayStatus {
  readonly delayMs: number;
  /** An operator paused applying: no record is applied until it is resumed or released. */
  readonly isHeld: boolean;
  /** Records in this node's log that are not applied yet. */
  readonly waitingRecords: number;
  /** Time until the next of them is applied, by the master's clock; undefined if paused or if none is known. */
  readonly nextDueInMs: number | undefined;
}

/** What an operator may do with a delayed replica. */
export type DelayControl =
  /** Apply everything up to `lsn` at once, then pause, or continue with the delay if `goesOn`. */
  | { readonly kind: 'release_to'; readonly lsn: Lsn; readonly goesOn: boolean }
  /** Apply everything received so far at once, then continue with the delay. */
  | { readonly kind: 'release_all' }
  | { readonly kind: 'pause' }
  | { readonly kind: 'resume' };

export interface DelayAnswer {
  /** The last applied position. */
  readonly position: Position;
  readonly durableLsn: Lsn;
  readonly delay: DelayStatus;
}

/** On a master: one replica that it knows. `state` is what the pusher sees. */
export interface ReplicaStatus {
  readonly nodeId: string;
  readonly address: string;
  readonly state: NodeState;
  /** The last position that is durable on the replica. */
  readonly acked: Position;
  readonly lagRecords: number;
  readonly lagMs: number;
  readonly fullResyncs: number;
  readonly partialResyncs: number;
  readonly lastFullResyncReason: string;
  /** True if its state is known to differ from this node's. */
  readonly isDifferent?: boolean | undefined;
  /** How long after this node the replica applies records; 0: at once. If above 0, the lag counts what it has not received. */
  readonly applyDelayMs: number;
  /** What is wrong with the replica and what to do, in one sentence; empty if nothing is. */
  readonly problem?: string | undefined;
}

/** On a master: the observers that follow it. */
export interface ObserversStatus {
  readonly count: number;
  /** At most `OBSERVERS_TOLD_MAX`, those furthest behind first. */
  readonly furthest: readonly ReplicaStatus[];
  /** How many have a state that is known to differ. */
  readonly different: number;
}

/** Progress or result of a recovery, which loads the base snapshot and then the log after it. */
export interface RecoveryStatus {
  readonly phase: 'snapshot' | 'log' | 'done';
  /** Share of all bytes that are read, 0 .. 1. */
  readonly fraction: number;
  /** Records of the log applied so far, and per second. */
  readonly records: number;
  readonly recordsPerS: number;
  readonly bytesDone: number;
  readonly bytesTotal: number;
  readonly elapsedMs: number;
  /** Estimated time left; undefined if it is too early to say. */
  readonly etaMs: number | undefined;
}

/** The fill leases of a master: those that there are, and how many it gave since it leads. */
export interface FillStatus {
  readonly leases: number;
  /** Callers that wait for the lease of another to end. */
  readonly waiters: number;
  readonly granted: number;
  /** Leases that ended by a write of their key. */
  readonly written: number;
  /** Leases that ended because their time was over. */
  readonly expired: number;
  /** Leases that ended for lack of memory. */
  readonly dropped: number;
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
  /** Undefined: none follows this node. */
  readonly observers?: ObserversStatus | undefined;
  /** On a delayed replica only. */
  readonly delay?: DelayStatus | undefined;
  /** Undefined while the node loads. */
  readonly clock?: ClockStatus | undefined;
  /** Undefined: it belongs to no cluster. */
  readonly member?: MemberStatus | undefined;
  /** In a cluster, for metrics only: why its limits need an operator is among the reasons. */
  readonly limits?: LimitsStatus | undefined;
  /** The recovery under way, or the last one. */
  readonly recovery?: RecoveryStatus;
  /** For metrics only, like `watch`: in Status a failure is one of the reasons. */
  readonly checkpoints?: CheckpointStatus | undefined;
  /** For metrics only: Status does not tell it. */
  readonly watch?: WatchStatus | undefined;
  /** Undefined: it is no master. */
  readonly fill?: FillStatus | undefined;
  readonly uptimeMs: number;
  readonly version: string;
}

/** How the limits of a group fit one of its members. */
export interface LimitsStatus {
  /** True if its configuration has others. */
  readonly areOthers: boolean;
  /** True if its machine has no room for them. */
  readonly lackRoom: boolean;
}

/** The place of a node in a cluster. */
export interface MemberStatus {
  /** `cluster.name` */
  readonly cluster: string;
  /** 32 hex digits; empty until a coordinator has said it. */
  readonly clusterId: string;
  /** The name by which the cluster lists the node. */
  readonly node: string;
  /** The id of its group; empty: it belongs to none yet. */
  readonly group: string;
  /** The slots that its log says its group owns; undefined: the log does not say. */
  readonly owned: readonly SlotRun[] | undefined;
}

export interface CheckpointAnswer {
  readonly position: Position;
  readonly entries: number;
  readonly snapshotBytes: number;
  readonly deletedSegments: number;
}

export interface RotateAnswer {
  /** The new segment's number, and the LSN with which it will begin. */
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

/** `discard_local` moves the local data aside and follows; `keep` stops following and keeps the data. */
export type QuarantineRelease = 'discard_local' | 'keep';
