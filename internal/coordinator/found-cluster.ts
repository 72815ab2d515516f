/** What founds a cluster, and what a further group is, from nodes that are heard. Pure but for new ids. */
import type { ClusterPlan, GroupPlan } from '#cluster/coordinator-port.ts';
import { FIRST_TERM } from '#cluster/group-terms.ts';
import { type Heartbeat, isHeard, type Observation } from '#cluster/heartbeat.ts';
import { groupOf } from '#cluster/leasable.ts';
import { isGroupId } from '#cluster/names.ts';
import { placeGroups } from '#cluster/placement.ts';
import { type ClusterNode, divideSlots, GROUPS_MAX, type Group, type ShardMap } from '#cluster/shard-map.ts';
import { adoptedGroup, adoptedSlots } from '#coordinator/adopt-group.ts';
import type { MapWrites } from '#coordinator/catalogue.ts';
import { WalnutError } from '#model/errors.ts';
import type { Random } from '#platform/random.ts';

export interface Founding {
  readonly map: ShardMap;
  readonly plan: ClusterPlan;
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
  readonly random: Random;
}

/**
 * The first map; undefined if the cluster exists with just these groups. Throws where it
 * exists with others, or a node is not heard, not empty, not free or named twice. The
 * groups get their leaders as any group without one does. One of them may have the log of a
 * plain group: it keeps that, and owns all slots. Or several have logs of groups of a cluster that
 * were restored from a backup: each keeps its log, and owns the slots that this says.
 */
export function foundCluster({ map, plan, observations, nowMs, random }: Founding): MapWrites | undefined {
  if (map.clusterId !== '') {
    if (isSamePlan(map, plan)) return undefined;
    throw new WalnutError(
      'already_exists',
      `the cluster exists, with groups ${[...map.groups.keys()].join(', ')}`,
    );
  }
  const plans = plan.kind === 'given' ? plan.groups : placedPlans(plan.replicas, observations, nowMs);
  checkPlans(plans);
  const names = plans.flatMap(({ nodes }) => nodes);
  const heard = new Map(names.map((name) => [name, heardFree(name, observations.get(name), nowMs, true)]));
  for (const plan of plans) checkSize(plan, heard);
  const membersOf = ({ nodes }: GroupPlan): Heartbeat[] => nodes.flatMap((name) => heard.get(name) ?? []);
  const adopted = plans.flatMap((plan) => {
    const members = membersOf(plan);
    return members.some(({ plain }) => plain !== undefined) ? [adoptedGroup(plan, members)] : [];
  });
  const groupOfPlan = (plan: GroupPlan): Group =>
    adopted.find(({ group: { id } }) => id === plan.id)?.group ?? toGroup(plan, heard, random);
  return {
    clusterId: random.id128(),
    groups: plans.map(groupOfPlan),
    slots: adopted.length === 0 ? divideSlots(plans.map(({ id }) => id)) : adoptedSlots(adopted),
    nodes: toNodes(heard),
  };
}

/** A further group of a cluster, without slots. As with `foundCluster`, undefined if it is there with just these nodes. */
export function addedGroup(founding: Omit<Founding, 'plan'>, plan: GroupPlan): MapWrites | undefined {
  const { map, observations, nowMs, random } = founding;
  const { id, nodes } = plan;
  const there = map.groups.get(id);
  if (there !== undefined && namesOf(there) === [...nodes].sort().join(' ')) return undefined;
  if (there !== undefined) throw new WalnutError('already_exists', `${id} exists, with ${namesOf(there)}`);
  checkPlans([plan]);
  if (map.groups.size >= GROUPS_MAX) throw tooMany(map.groups.size + 1);
  const taken = nodes.filter((node) => groupOf(map, node) !== undefined);
  if (taken.length > 0)
    throw new WalnutError(
      'failed_precondition',
      `${taken.join(' and ')} ${taken.length === 1 ? 'belongs' : 'belong'} to another group`,
    );
  const heard = new Map(nodes.map((name) => [name, heardFree(name, observations.get(name), nowMs, false)]));
  checkSize(plan, heard);
  return { groups: [toGroup(plan, heard, random)], nodes: toNodes(heard) };
}

/**
 * Groups of the nodes that are heard and free, as many as these suffice for. Throws where a node waits
 * with a log to be adopted: a cluster of the empty nodes alone would leave that data outside for good.
 */
function placedPlans(
  replicas: number,
  observations: ReadonlyMap<string, Observation>,
  nowMs: number,
): GroupPlan[] {
  const heard = [...observations.values()].filter((observation) => isHeard(observation, nowMs));
  const adoptable = heard
    .filter(({ heartbeat: { role, plain } }) => role === 'unassigned' && plain !== undefined)
    .map(({ heartbeat: { node } }) => node);
  if (adoptable.length > 0)
    throw new WalnutError(
      'failed_precondition',
      `${adoptable.sort().join(', ')} ${adoptable.length === 1 ? 'has a log' : 'have logs'} to be adopted, which placing by itself would leave out: ` +
        'name each group and its nodes: walnut cluster init --group GROUP=NODE,NODE (or stop the nodes with logs)',
    );
  const free = heard
    .filter((observation) => whyNotFree(observation, nowMs) === undefined)
    .map(({ heartbeat: { node, zone } }) => ({ name: node, zone }));
  const plans = placeGroups(free, replicas + 1);
  if (plans.length > 0) return plans;
  throw new WalnutError(
    'failed_precondition',
    `a group with ${replicas} replicas needs ${replicas + 1} nodes that are heard and empty, and there are ${free.length}: start more`,
  );
}

function checkPlans(plans: readonly GroupPlan[]): void {
  const names = plans.flatMap(({ nodes }) => nodes);
  if (plans.length === 0 || plans.some(({ id, nodes }) => id === '' || nodes.length === 0))
    throw new WalnutError(
      'invalid_argument',
      'a cluster needs at least one group, and each a name and a node',
    );
  if (plans.length > GROUPS_MAX) throw tooMany(plans.length);
  const misnamed = plans.find(({ id }) => !isGroupId(id));
  if (misnamed !== undefined)
    throw new WalnutError(
      'invalid_argument',
      `group ${misnamed.id}: expected letters, digits and hyphens, at most 64`,
    );
  if (new Set(names).size < names.length || new Set(plans.map(({ id }) => id)).size < plans.length)
    throw new WalnutError('invalid_argument', 'each group and each node may be named once');
}

function tooMany(groups: number): WalnutError {
  return new WalnutError(
    'invalid_argument',
    `a cluster has at most ${GROUPS_MAX} groups, and this would be ${groups}: name fewer groups, with more memory each`,
  );
}

function checkSize({ id, nodes }: GroupPlan, heard: ReadonlyMap<string, Heartbeat>): void {
  const strict = nodes.find((name) => (heard.get(name)?.votersMin ?? 0) > nodes.length);
  if (strict === undefined) return;
  throw new WalnutError(
    'failed_precondition',
    `${strict} is configured for a group of at least ${heard.get(strict)?.votersMin} voters (cluster.durability), ` +
      `and ${id} would have ${nodes.length}: name more nodes, or change that`,
  );
}

/** `mayBePlain`: one with the log of a plain group is free, too. */
function heardFree(
  name: string,
  observation: Observation | undefined,
  nowMs: number,
  mayBePlain: boolean,
): Heartbeat {
  const why = whyNotFree(observation, nowMs, mayBePlain);
  if (observation !== undefined && why === undefined) return observation.heartbeat;
  // A node that is starting is heard moments later, so the same call may succeed then.
  const isAbsent = observation === undefined || !isHeard(observation, nowMs);
  throw new WalnutError(isAbsent ? 'unavailable' : 'failed_precondition', `${name} ${why}`);
}

/** Why a node cannot become a voter of a new group; undefined if it can. */
function whyNotFree(
  observation: Observation | undefined,
  nowMs: number,
  mayBePlain = false,
): string | undefined {
  if (observation === undefined || !isHeard(observation, nowMs))
    return 'is not heard: start it, with the addresses of the coordinators';
  const { role, tail, plain } = observation.heartbeat;
  if (role !== 'unassigned') return `is a ${role} already`;
  if (plain !== undefined)
    return mayBePlain
      ? undefined
      : 'has the log of a plain group, which can only become the first group of a new cluster: start it on an empty directory';
  return tail.lsn > 0 ? 'is not empty: start it on an empty directory' : undefined;
}

function toGroup({ id, nodes }: GroupPlan, heard: ReadonlyMap<string, Heartbeat>, random: Random): Group {
  const voters = [...nodes].sort().map((node) => ({ node, incarnation: heard.get(node)?.incarnation ?? 0 }));
  const nobody = { leader: undefined, lastLeader: '', next: undefined, withdrawn: 0, grants: undefined };
  return { id, logId: random.id128(), voters, term: FIRST_TERM, ...nobody };
}

function toNodes(heard: ReadonlyMap<string, Heartbeat>): ClusterNode[] {
  return [...heard].map(([name, { address, zone }]) => ({ name, address, zone, status: 'active' }));
}

function isSamePlan(map: ShardMap, plan: ClusterPlan): boolean {
  if (plan.kind === 'auto')
    return [...map.groups.values()].every(({ voters }) => voters.length === plan.replicas + 1);
  const plans = plan.groups;
  if (plans.length !== map.groups.size) return false;
  return plans.every(({ id, nodes }) => namesOf(map.groups.get(id)) === [...nodes].sort().join(' '));
}

function namesOf(group: Group | undefined): string | undefined {
  return group?.voters.map(({ node }) => node).join(' ');
}
