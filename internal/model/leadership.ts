/** How the master's role changes hands: what nodes say to each other, and what operators are told. */
import type { Position } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';

/** A node is about to lead `term`. */
export interface ClaimRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** Who is asked; undefined: whoever is there. */
  readonly receiverNodeId?: string | undefined;
}

/** Granted: the term is persisted, and granted to nobody else. `term`: the highest persisted. */
export interface ClaimAnswer {
  readonly isGranted: boolean;
  readonly term: number;
  /** Why it is not granted. */
  readonly reason: string;
  /** It does not hold that log, so it neither grants nor refuses. */
  readonly hasNoVote: boolean;
  /** The last record there, with every push of a lower term refused from now on. */
  readonly tail: Position;
  /** Who answers; undefined: a node of version 0.1, which does not say. */
  readonly nodeId?: string | undefined;
}

/** A node leads `term`. */
export interface AnnounceRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** `host:port`; with an empty host the address the receiver sees is used. */
  readonly advertise: string;
}

/** `fencedBy`: a higher term that the receiver has persisted; undefined: it follows the sender. */
export interface AnnounceAnswer {
  readonly fencedBy: number | undefined;
}

/** A master that takes no more writes tells a replica to lead `term`. */
export interface TakeOverRequest {
  readonly logId: string;
  readonly term: number;
  readonly nodeId: string;
  /** The master's last record. */
  readonly tail: ChainPoint;
  /** Only say whether it could. */
  readonly isCheck: boolean;
  /** Whom the master means; undefined: it is of version 0.1 and does not say. */
  readonly replicaNodeId?: string | undefined;
}

export interface TakeOverAnswer {
  readonly isAccepted: boolean;
  /** Why not: for good, unless it was only a check. */
  readonly reason: string;
  /** Who answers; undefined: a replica of version 0.1, which does not say. */
  readonly nodeId?: string | undefined;
}

export interface PromoteAnswer {
  readonly term: number;
  /** The first record of the term; where it was the master already, its last record. */
  readonly position: Position;
  /** False: it was the master already. */
  readonly isPromoted: boolean;
}

export interface FailoverAnswer {
  readonly term: number;
  /** The last record of the old master. */
  readonly position: Position;
  /** How long writes were refused. */
  readonly pausedMs: number;
}
