/** Messages between nodes that change the master, and the answers to operators who ask for it. */
import type { Position } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';

/** A node asks for the right to lead `term`. */
export interface ClaimRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** The node that is asked; undefined: whichever node has the address. */
  readonly receiverNodeId?: string | undefined;
}

/** A node that grants has persisted the term and grants it to no other node. `term` is the highest it has persisted. */
export interface ClaimAnswer {
  readonly isGranted: boolean;
  readonly term: number;
  /** Why it is not granted. */
  readonly reason: string;
  /** The node does not have that log, so it neither grants nor refuses. */
  readonly hasNoVote: boolean;
  /** The node's last record; from now on it refuses every push of a lower term. */
  readonly tail: Position;
  /** The node that answers; undefined for version 0.1, which does not send it. */
  readonly nodeId?: string | undefined;
}

/** A node states that it leads `term`. */
export interface AnnounceRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** `host:port`; if the host is empty the receiver uses the peer's IP. */
  readonly advertise: string;
}

/** `fencedBy` is a higher term that the receiver has persisted; if undefined, it follows the sender. */
export interface AnnounceAnswer {
  readonly fencedBy: number | undefined;
}

/** A master that has stopped taking writes asks a replica to lead `term`. */
export interface TakeOverRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** The master's last record. */
  readonly tail: ChainPoint;
  /** Only check whether the replica could take over. */
  readonly isCheck: boolean;
  /** The replica that the master means; undefined from version 0.1, which does not send it. */
  readonly replicaNodeId?: string | undefined;
}

export interface TakeOverAnswer {
  readonly isAccepted: boolean;
  /** Why it is refused; the refusal is final unless this was only a check. */
  readonly reason: string;
  /** The replica that answers; undefined for version 0.1, which does not send it. */
  readonly nodeId?: string | undefined;
}

export interface PromoteAnswer {
  readonly term: number;
  /** The first record of the term; the last record if the node was the master already. */
  readonly position: Position;
  /** False if the node was the master already. */
  readonly isPromoted: boolean;
}

export interface FailoverAnswer {
  readonly term: number;
  /** The last record of the old master. */
  readonly position: Position;
  /** How long writes were refused. */
  readonly pausedMs: number;
}
