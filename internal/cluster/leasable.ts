/** Decides whether a coordinator leases a heartbeat, by the map that its check found valid. Pure. */
import { judgeTerm } from '#cluster/group-terms.ts';
import type { Heartbeat, Observation } from '#cluster/heartbeat.ts';
import { type Group, majorityOf, type ShardMap, type Voter } from '#cluster/shard-map.ts';

/** The group of which a node is a voter; undefined if it is none. */
export function groupOf(map: ShardMap, node: string): Group | undefined {
  for (const group of map.groups.values())
    if (group.voters.some((voter) => voter.node === node)) return group;
  return undefined;
}

/** True if the newest heartbeat of the voter says that it leads the term. */
export function leads(observations: ReadonlyMap<string, Observation>, voter: Voter, term: number): boolean {
  const heartbeat = observations.get(voter.node)?.heartbeat;
  return (
    heartbeat?.incarnation === voter.incarnation && heartbeat.role === 'master' && heartbeat.term === term
  );
}

/**
 * A voter that leads the recorded term and is not its leader; undefined if there is none. A store that
 * was restored gave the term twice, to voters of whom none had heard of the first time.
 */
export function secondLeader(
  { leader, term, voters }: Group,
  observations: ReadonlyMap<string, Observation>,
): string | undefined {
  return voters.find((voter) => voter.node !== leader?.node && leads(observations, voter, term))?.node;
}

/** What is known of the voters of a group, as far as leases depend on it. */
export interface Known {
  readonly observations: ReadonlyMap<string, Observation>;
  /** What the voters of the node's group state. */
  termsAround(map: ShardMap, node: string): readonly number[];
}

/** True if one of the voters that were heard granted every term that the group ever had, whatever the store knows. */
function isMajorityHeard({ voters }: Group, observations: Known['observations']): boolean {
  const heard = voters.filter(
    ({ node, incarnation }) => observations.get(node)?.heartbeat.incarnation === incarnation,
  );
  return heard.length >= majorityOf(voters.length);
}

/**
 * True if the sender is the recorded leader of exactly this term. A voter that states a term which
 * the store never gave, or leads this one beside it, stops the leases of the group. `isNew`: the
 * coordinator may not have heard yet those that would say so.
 */
export function isLeasable(map: ShardMap, heartbeat: Heartbeat, known: Known, isNew: boolean): boolean {
  const group = groupOf(map, heartbeat.node);
  const leader = group?.leader;
  if (group === undefined || leader === undefined || heartbeat.role !== 'master') return false;
  const terms = known.termsAround(map, heartbeat.node);
  if (terms.some((term) => judgeTerm(group, term) === 'ahead')) return false;
  if (secondLeader(group, known.observations) !== undefined) return false;
  if (isNew && !isMajorityHeard(group, known.observations)) return false;
  return (
    leader.node === heartbeat.node &&
    leader.incarnation === heartbeat.incarnation &&
    group.term === heartbeat.term
  );
}
