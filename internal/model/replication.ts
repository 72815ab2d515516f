/** The messages of the Replication service, by which nodes talk to each other. */
import type { Epoch, EpochStart, Lsn, Position } from '#model/position.ts';

/** A record's place in the hash chain: `crc` is its header CRC (hcrc). */
export interface ChainPoint {
  readonly epoch: Epoch;
  readonly lsn: Lsn;
  readonly crc: number;
}

export interface RegisterRequest {
  readonly nodeId: string;
  /** Random per process: distinguishes a restart from a second node with the same node id. */
  readonly incarnation: string;
  /** `host:port` to push to; if the host is empty the master uses the peer's IP. */
  readonly advertise: string;
  /** Empty on a fresh replica. */
  readonly logId: string;
  /** The replica's tail. */
  readonly tail: ChainPoint;
  /** Node ids from the replica up through its upstreams, to refuse cycles. */
  readonly upstreamPath: readonly string[];
  /** If not empty, why the replica wants a snapshot although its tail would allow a partial resync. */
  readonly fullResyncReason?: string | undefined;
  /** How long after its master the replica applies records; 0: at once. */
  readonly applyDelayMs: number;
  /** The highest term of this log that the replica has seen, whether led or only granted; 0: none. */
  readonly term: number;
  /** The format level that the replica reads (`model/formats.ts`); undefined from version 0.1, which does not send it. */
  readonly formatLevel?: number | undefined;
  /** The name by which its cluster lists the replica; undefined on a node of a plain group. */
  readonly memberNode?: string | undefined;
  /** True for an observer: it asks for pushes and counts for nothing. It has no `advertise`. */
  readonly isObserver?: true | undefined;
}

/** An observer asks for the next push. */
export interface ObserveRequest {
  readonly nodeId: string;
  /** That of its registration. */
  readonly incarnation: string;
  readonly logId: string;
  /** Its last record. */
  readonly tail: ChainPoint;
  /** What it would answer to the last push; the verdict says nothing. */
  readonly answer: ReplicateAnswer;
  /** It ends, and is to be forgotten at once. */
  readonly isLeaving: boolean;
}

/**
 * What the replica does next, as decided by the node that has the records:
 * `continue` from its tail by GetUpdates and pushes, or load a `snapshot` first.
 * `conflict` means that its tail is not in the master's history.
 */
export type ResyncVerdict =
  | { readonly kind: 'continue' }
  | { readonly kind: 'snapshot'; readonly reason: string }
  | { readonly kind: 'conflict'; readonly reason: string };

/** The replicas of a master, so that each knows the others when the master is gone. */
export interface GroupMembers {
  /** `host:port` of every replica that registered, is configured or was added. */
  readonly replicas: readonly string[];
  /** `host:port` of every replica that was removed. */
  readonly removed: readonly string[];
  /** The node that registered last at each of these addresses, as far as known. */
  readonly nodes: readonly NodeAddress[];
}

/** A node and its address. */
export interface NodeAddress {
  /** `host:port`. */
  readonly address: string;
  readonly nodeId: string;
  /** The format level that the node reads, as it said last; undefined: 0, or it has not said. */
  readonly formatLevel?: number | undefined;
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
  /** The address under which the master knows this replica. */
  readonly address: string;
  readonly group: GroupMembers;
  /** The format level that the master reads; undefined from version 0.1. */
  readonly formatLevel?: number | undefined;
}

export interface ReplicateRequest {
  readonly masterNodeId: string;
  /** The replica that is meant; undefined from version 0.1, which does not send it. */
  readonly replicaNodeId?: string | undefined;
  readonly logId: string;
  readonly term: number;
  /** The record before the first frame. */
  readonly previous: ChainPoint;
  /** Whole frames, verbatim and concatenated; empty on a heartbeat. */
  readonly frames: Uint8Array;
  /** The master's durable LSN. */
  readonly durableLsn: Lsn;
  readonly logClockMs: number;
  readonly ackWhenDurable: boolean;
  /**
   * The digest of the master's state after the last frame, or after `previous` on a
   * heartbeat: 32 lower-case hex digits, empty if the master no longer knows it.
   */
  readonly digest?: string | undefined;
  /** The members of the group, if they changed since the last accepted push. */
  readonly group?: GroupMembers | undefined;
}

export type ReplicateVerdict =
  | { readonly kind: 'ok' }
  /** There is a gap: the sender must continue from this tail. */
  | { readonly kind: 'need'; readonly tail: ChainPoint }
  | { readonly kind: 'conflict'; readonly epochs: readonly EpochStart[] }
  | { readonly kind: 'fenced'; readonly term: number };

/** The replica's state differed from the master's at `lsn`. Both digests are 32 lower-case hex digits. */
export interface DigestMismatch {
  readonly lsn: Lsn;
  readonly stated: string;
  readonly found: string;
}

/** A member of a cluster, as it answers a push. */
export interface MemberAck {
  /** The name by which the cluster lists it. */
  readonly node: string;
  readonly incarnation: number;
  /** It loads a snapshot: its answer counts for no lease. */
  readonly isInstalling: boolean;
}

export interface ReplicateAnswer {
  readonly verdict: ReplicateVerdict;
  /** The replica that answers; undefined from version 0.1, which does not send it. */
  readonly nodeId?: string | undefined;
  readonly durable: Position;
  readonly appliedLsn: Lsn;
  /** Keys recently read on the replica, the most read last; the sender touches their entries. */
  readonly hotKeys?: readonly string[] | undefined;
  /** Present as long as the replica's state is known to differ from the master's. */
  readonly digestMismatch?: DigestMismatch | undefined;
  /** Undefined on a node of a plain group. */
  readonly member?: MemberAck | undefined;
}

export interface SnapshotRequest {
  readonly logId: string;
  /** The reader's node id. Registered replicas take precedence over a reader without one. */
  readonly nodeId: string;
}

/** A slice of a snapshot file, verbatim. */
export interface SnapshotChunk {
  readonly position: Position;
  readonly offset: number;
  readonly totalBytes: number;
  readonly bytes: Uint8Array;
}
