/**
 * What the active coordinator asks of a member of a group, and what it answers. A
 * promise that rejects is no answer. Values and a port only.
 */
import type { Group, ShardMap, Voter } from '#cluster/shard-map.ts';
import type { EpochStart, Position } from '#model/position.ts';

/** Names the member: any other node at its address rejects with `not_found`. */
export interface ToMember {
  /** 32 hex digits. */
  readonly clusterId: string;
  /** The member's name. */
  readonly node: string;
  /** The group's id. */
  readonly group: string;
  /** 32 hex digits. */
  readonly logId: string;
}

export interface TermClaim extends ToMember {
  readonly term: number;
  /** Only asks whether the member would grant the term; nothing changes. */
  readonly isCheck: boolean;
}

export interface TermClaimAnswer {
  readonly isGranted: boolean;
  /** The highest term that the member has persisted. */
  readonly term: number;
  /** Why the term is not granted; empty if it is. */
  readonly reason: string;
  readonly voter: Voter;
  /** The last record that is fdatasynced. */
  readonly tail: Position;
  /** The epoch table, oldest first. */
  readonly epochs: readonly EpochStart[];
  readonly isQuarantined: boolean;
  readonly isLoading: boolean;
}

export interface LeadRequest extends ToMember {
  readonly term: number;
  /** Both as the member granted the term. */
  readonly incarnation: number;
  readonly tail: Position;
  /** The map that names the member as the leader. */
  readonly map: ShardMap;
}

export interface LeadAnswer {
  /** The member leads the term. */
  readonly isAccepted: boolean;
  /** Why it does not; empty if it does. */
  readonly reason: string;
  /** The highest term that the member has persisted. */
  readonly term: number;
}

export interface HandOverRequest extends ToMember {
  /** The term that the member leads. */
  readonly term: number;
  readonly next: NonNullable<Group['next']>;
}

export interface HandOverAnswer {
  readonly isAccepted: boolean;
  /** Not accepted, and the member goes on taking writes in its term; false: a failover has to replace it. */
  readonly leadsOn: boolean;
  /** Why the member did not hand over; empty if it did. */
  readonly reason: string;
}

/** Rejects with `failed_precondition` where the node belongs to another cluster or group, or has another log. */
export interface MemberPort {
  /** Persists the term: nothing of a lower one is taken from then on. A repeat is granted again, until the term is led. */
  claim(request: TermClaim): Promise<TermClaimAnswer>;
  /** The member leads a term that it granted. A repeat changes nothing. */
  takeOver(request: LeadRequest): Promise<LeadAnswer>;
  /** The master hands over to `next` without losing a write. Accepted also where it has done so before. */
  handOver(request: HandOverRequest): Promise<HandOverAnswer>;
}
