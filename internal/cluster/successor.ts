/** Chooses who should lead a group in place of its leader, by what was heard last. Pure. */
import { type Heartbeat, hasAcked, isHeard, type Observation } from '#cluster/heartbeat.ts';
import { type ClusterNode, type Group, grantsNeeded } from '#cluster/shard-map.ts';
import { isAhead } from '#model/position.ts';

/** The part of an `Observation` that decides. */
interface Heard {
  readonly heartbeat: Pick<Heartbeat, 'node' | 'incarnation' | 'whyNoWrites' | 'tail'>;
  readonly heardMs: number;
}

export interface SuccessorView {
  readonly group: Group;
  readonly observations: ReadonlyMap<string, Heard>;
  /** By name. */
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  readonly nowMs: number;
}

type ObservedView = Omit<SuccessorView, 'observations'> & {
  readonly observations: ReadonlyMap<string, Observation>;
};

/**
 * The most advanced of the voters that could lead: heard, able to write and not
 * draining. Undefined if none could, or if a failover without the leader would lack
 * grants, since a planned one that fails ends in that.
 */
export function successor({ group, observations, nodes, nowMs }: SuccessorView): string | undefined {
  const heard = group.voters
    .filter(({ node }) => node !== group.leader?.node)
    .map(({ node, incarnation }) => ({ incarnation, observation: observations.get(node) }))
    .filter(({ incarnation, observation }) => observation?.heartbeat.incarnation === incarnation)
    .map(({ observation }) => observation as Heard)
    .filter((each) => isHeard(each, nowMs) && each.heartbeat.whyNoWrites === '');
  if (heard.length < grantsNeeded(group.voters.length)) return undefined;
  const able = heard.filter(({ heartbeat }) => nodes.get(heartbeat.node)?.status !== 'draining');
  return able.sort(byTail)[0]?.heartbeat.node;
}

/**
 * Why a voter that an operator names should not be told to lead: a planned failover to it
 * would fail, and cost the group its master. Undefined if it could lead.
 */
export function whyNotNext(
  { group, observations, nodes, nowMs }: ObservedView,
  to: string,
): string | undefined {
  const observation = observations.get(to);
  const listed = group.voters.find(({ node }) => node === to);
  if (observation === undefined || !isHeard(observation, nowMs)) return 'is not heard';
  const { incarnation, whyNoWrites } = observation.heartbeat;
  if (incarnation !== listed?.incarnation) return 'has another disk than the one that is listed';
  if (nodes.get(to)?.status === 'draining') return 'is draining';
  if (whyNoWrites !== '') return `could take no writes: ${whyNoWrites}`;
  return hasAcked(observation, group.term, nowMs) ? undefined : `does not follow ${group.leader?.node}`;
}

/** What speaks against each voter where `successor` finds none. */
export function whyNobody(view: ObservedView): string {
  const { voters, leader } = view.group;
  const others = voters.map(({ node }) => node).filter((node) => node !== leader?.node);
  if (others.length === 0) return 'the group has no other';
  const unable = others.flatMap((node) => {
    const why = whyNotNext(view, node);
    return why === undefined ? [] : [`${node} ${why}`];
  });
  const spare = unable.length < others.length ? ', and a failover that came to nothing would need it' : '';
  return unable.join(' and ') + spare;
}

/** The most advanced first, then by name. */
function byTail({ heartbeat: a }: Heard, { heartbeat: b }: Heard): number {
  if (isAhead(a.tail, b.tail)) return -1;
  if (isAhead(b.tail, a.tail)) return 1;
  return a.node < b.node ? -1 : 1;
}
