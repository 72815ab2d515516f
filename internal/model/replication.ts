/** What nodes say to each other: the messages of the Replication service. */
import type { Epoch, EpochStart, Lsn, Position } from '#model/position.ts';

/** A record's place in the hash chain: `crc` is its header CRC (hcrc). */
export interface ChainPoint {
  readonly epoch: Epoch;
  readonly lsn: Lsn;
  readonly crc: number;
}

export interface RegisterRequest {
  readonly nodeId: string;
  /** Random per process: tells a restart from a second holder of the node id. */
  readonly incarnation: string;
  /** `host:port` to push to; with an empty host the address the master sees is used. */
  readonly advertise: string;
  /** Empty on a fresh replica. */
  readonly logId: string;
  /** The replica's tail. */
  readonly tail: ChainPoint;
  /** Node ids from the replica upward, to refuse cycles. */
  readonly upstreamPath: readonly string[];
  /** Not empty: the replica wants a snapshot although its tail would do, and why. */
  readonly fullResyncReason?: string | undefined;
  /** How long after its master the replica applies; 0: at once. */
  readonly applyDelayMs: number;
  /** The highest term of this log that it has seen, led or only granted; 0: none. */
  readonly term: number;
}

/**
 * What the replica does next, decided by the node that holds the records:
 * `continue` from its tail by GetUpdates and pushes; `snapshot` first;
 * `conflict`: its tail is not in the master's history.
 */
export type ResyncVerdict =
  | { readonly kind: 'continue' }
  | { readonly kind: 'snapshot'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string };

/** The replicas of a master: each knows its siblings by it when the master is gone. */
export interface GroupMembers {
  /** `host:port` of those that registered, are configured or were added. */
  readonly replicas: readonly string[];
  /** Of those that were removed. */
  readonly removed: readonly string[];
  /** Which node registered last at each of these addresses, as far as known. */
  readonly nodes: readonly NodeAddress[];
}

/** Where a node is reached. */
export interface NodeAddress {
  /** `host:port`. */
  readonly address: string;
  readonly nodeId: string;
}

export interface RegisterAnswer {
  readonly masterNodeId: string;
  readonly logId: string;
  readonly term: number;
  readonly epochs: readonly EpochStart[];
  /** The master's newest durable position. */
  readonly latest: ChainPoint;
  readonly logClockMs: number;
  readonly verdict: ResyncVerdict;
  /** The replica's own address as the master has it. */
  readonly address: string;
  readonly group: GroupMembers;
}

export interface ReplicateRequest {
  readonly masterNodeId: string;
  /** Which replica it is for; undefined: the sender is of version 0.1 and does not say. */
  readonly replicaNodeId?: string | undefined;
  readonly logId: string;
  readonly term: number;
  /** The record before the first frame. */
  readonly previous: ChainPoint;
  /** Whole frames one after another, verbatim; empty on a heartbeat. */
  readonly frames: Uint8Array;
  /** The master's durable LSN. */
  readonly durableLsn: Lsn;
  readonly logClockMs: number;
  readonly ackWhenDurable: boolean;
  /**
   * The digest of the master's state at the last frame, on a heartbeat at
   * `previous`: 32 lower-case hex digits; empty where the master no longer knows it.
   */
  readonly digest?: string | undefined;
  /** Who is in the group, where that changed since the last push that was taken. */
  readonly group?: GroupMembers | undefined;
}

export type ReplicateVerdict =
  | { readonly kind: 'ok' }
  /** A gap: the sender goes on from this tail. */
  | { readonly kind: 'need'; readonly tail: ChainPoint }
  | { readonly kind: 'conflict'; readonly epochs: readonly EpochStart[] }
  | { readonly kind: 'fenced'; readonly term: number };

/** The replica's state was not the master's at one LSN; both digests as 32 lower-case hex digits. */
export interface DigestMismatch {
  readonly lsn: Lsn;
  readonly stated: string;
  readonly found: string;
}

export interface ReplicateAnswer {
  readonly verdict: ReplicateVerdict;
  /** Whose disk `durable` is on; undefined: the replica is of version 0.1 and does not say. */
  readonly nodeId?: string | undefined;
  readonly durable: Position;
  readonly appliedLsn: Lsn;
  /** Keys read on the replica of late, the hottest last: the sender counts them as touched. */
  readonly hotKeys?: readonly string[] | undefined;
  /** Set as long as the replica's state is known to differ from the master's. */
  readonly digestMismatch?: DigestMismatch | undefined;
}

export interface SnapshotRequest {
  readonly logId: string;
  /** The reader's; empty where it does not say: then replicas that registered come before it. */
  readonly nodeId: string;
}

/** A slice of a snapshot file, verbatim. */
export interface SnapshotChunk {
  readonly position: Position;
  readonly offset: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}
