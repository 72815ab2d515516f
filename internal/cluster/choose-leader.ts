/** Chooses who leads after a failover, from what the members answered to a claim, or to the question before it. Pure. */
import type { Electorate, Group, Voter } from '#cluster/shard-map.ts';
import { isAhead, type Position } from '#model/position.ts';

/** A member that grants the term, or would. */
export interface Grant extends Voter {
  /** Its last record that is on its disk. */
  readonly tail: Position;
  readonly isQuarantined: boolean;
  readonly isLoading: boolean;
}

export interface Election {
  readonly group: Group;
  readonly electorate: Electorate;
  readonly grants: readonly Grant[];
  /** Names of nodes that are down by their own word. */
  readonly unfit: ReadonlySet<string>;
  /** Names of nodes that drain. */
  readonly draining: ReadonlySet<string>;
  /** The zone of each node, by name. */
  readonly zones: ReadonlyMap<string, string>;
}

export type Choice =
  | { readonly kind: 'leader'; readonly grant: Grant }
  /** Too few grants. `lacking` names the voters without one that counts. */
  | { readonly kind: 'too_few'; readonly needed: number; readonly lacking: readonly string[] };

/**
 * Chooses the most advanced of the voters that granted, so that whatever a majority had
 * on its disks is there. Any set of enough voters will do for that, so those that drain
 * count, and may lead, only if there are too few others; those that are unfit only if
 * there are too few with these.
 */
export function chooseLeader({ group, electorate, grants, unfit, draining, zones }: Election): Choice {
  const { needed } = electorate;
  const counted = grants.filter((grant) => counts(electorate, grant));
  const fit = counted.filter(({ node }) => !unfit.has(node));
  const staying = fit.filter(({ node }) => !draining.has(node));
  const voters = [staying, fit, counted].find(({ length }) => length >= needed);
  if (voters === undefined) {
    const granted = new Set(counted.map(({ node }) => node));
    const lacking = electorate.voters.map(({ node }) => node).filter((node) => !granted.has(node));
    return { kind: 'too_few', needed, lacking };
  }
  const zone = zones.get(group.lastLeader) ?? '';
  const isNear = ({ node }: Grant): boolean => zone !== '' && zones.get(node) === zone;
  const best = voters.reduce((a, b) => (isBetter(b, a, isNear) ? b : a));
  return { kind: 'leader', grant: best };
}

function counts({ voters }: Electorate, grant: Grant): boolean {
  if (grant.isQuarantined || grant.isLoading) return false;
  return voters.some(({ node, incarnation }) => node === grant.node && incarnation === grant.incarnation);
}

function isBetter(a: Grant, b: Grant, isNear: (grant: Grant) => boolean): boolean {
  if (isAhead(a.tail, b.tail)) return true;
  if (isAhead(b.tail, a.tail)) return false;
  if (isNear(a) !== isNear(b)) return isNear(a);
  return a.node < b.node;
}
