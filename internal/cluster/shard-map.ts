/**
 * The shard map: which group owns which slots, who belongs to a group and leads it,
 * and where the nodes are. Values only; every change makes a new map with a higher
 * epoch.
 */

import type { Position } from '#model/position.ts';
import { type OwnedRun, SLOTS, type SlotRun } from '#model/slots.ts';

/** A member that counts in its group's majority. */
export interface Voter {
  /** The name by which the cluster lists the node. */
  readonly node: string;
  /** The life of its data directory: renewed when durable records were lost or replaced. */
  readonly incarnation: number;
}

/** The leader, and the tail that it claimed, by which a TakeOver is judged. */
export interface Leader extends Voter {
  readonly tail: Position;
}

/** The grants that one term of a group needs. */
export interface SpecialGrants {
  readonly term: number;
  /** How many. */
  readonly count: number;
  /** Those whose grants count, sorted by node; empty in an older record: any voter's. */
  readonly voters: readonly Voter[];
}

/** Those whose grants of a term count, and how many of them have to grant it. */
export interface Electorate {
  readonly voters: readonly Voter[];
  readonly needed: number;
}

/** The most groups of a cluster: the store takes the records of all, with epoch, id and slots, in one transaction. */
export const GROUPS_MAX = 125;

/** A group as the metadata store records it. The only place that makes leaders and terms. */
export interface Group {
  readonly id: string;
  /** 128 bits, 32 hex digits. */
  readonly logId: string;
  /** Sorted by node. */
  readonly voters: readonly Voter[];
  /** The highest term given to the group, except for `next` and `withdrawn`; 0 before the first. */
  readonly term: number;
  /** The leader of `term`; undefined while one is being chosen. */
  readonly leader: Leader | undefined;
  /** The leader before the present one, or before none; empty if there was none. */
  readonly lastLeader: string;
  /** A planned failover under way: who shall lead which term. */
  readonly next: { readonly term: number; readonly node: string } | undefined;
  /** The highest term of a planned failover that was withdrawn: nobody is given it again; 0: none was. */
  readonly withdrawn: number;
  /** What this term asks of the voters, where that is something else than usual. */
  readonly grants: SpecialGrants | undefined;
}

/** A run of slots, both ends included, and the id of the group that owns it. */
export type SlotRange = OwnedRun;

export type NodeStatus = 'active' | 'draining';

export interface ClusterNode {
  readonly name: string;
  /** `host:port`. */
  readonly address: string;
  /** What fails together, such as a rack; empty: not known. */
  readonly zone: string;
  readonly status: NodeStatus;
}

export interface ShardMap {
  /** 128 bits, 32 hex digits: minted with the cluster. */
  readonly clusterId: string;
  /** Counts the changes of the map. */
  readonly epoch: number;
  /** By id. */
  readonly groups: ReadonlyMap<string, Group>;
  /** Sorted, without overlap. */
  readonly slots: readonly SlotRange[];
  /** By name. */
  readonly nodes: ReadonlyMap<string, ClusterNode>;
}

/** How many voters are a majority of `voters`. */
export function majorityOf(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * How many voters have to grant a term, so that one of them has each record that a majority has.
 * At least one: nobody leads a group without voters.
 */
export function grantsNeeded(voters: number): number {
  return Math.max(1, voters - majorityOf(voters) + 1);
}

/** What a term asks of the voters, unless the record says something else about it. */
export function usualElectorate(voters: readonly Voter[]): Electorate {
  return { voters, needed: grantsNeeded(voters.length) };
}

/** What the term of the record asks of the voters. */
export function electorateOf({ term, voters, grants }: Group): Electorate {
  if (grants?.term !== term) return usualElectorate(voters);
  return { voters: grants.voters.length === 0 ? voters : grants.voters, needed: Math.max(1, grants.count) };
}

/** The id of the group that owns a slot; undefined if none does. */
export function ownerOf(slots: readonly SlotRange[], slot: number): string | undefined {
  let low = 0;
  let high = slots.length - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const range = slots[middle] as SlotRange;
    if (slot < range.first) high = middle - 1;
    else if (slot > range.last) low = middle + 1;
    else return range.group;
  }
  return undefined;
}

/** The slots of one group as few runs: ranges that touch are one. `slots`: those of a map. */
export function runsOf(slots: readonly SlotRange[], group: string): SlotRun[] {
  const runs: SlotRun[] = [];
  for (const { first, last } of slots.filter((range) => range.group === group)) {
    const before = runs.at(-1);
    if (before?.last === first - 1) runs[runs.length - 1] = { first: before.first, last };
    else runs.push({ first, last });
  }
  return runs;
}

/** How many slots the runs have. */
export function slotsIn(runs: readonly SlotRun[]): number {
  return runs.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** The slots divided among groups in their order, as evenly as whole slots allow. */
export function divideSlots(groups: readonly string[]): SlotRange[] {
  const cut = (index: number): number => Math.floor((index * SLOTS) / groups.length);
  return groups.map((group, i) => ({ first: cut(i), last: cut(i + 1) - 1, group }));
}
