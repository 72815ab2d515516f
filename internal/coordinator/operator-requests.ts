/** What operators ask of the active coordinator: changes of the map. Each is answered alike when it is repeated. */
import type { ClusterPlan, GroupPlan } from '#cluster/coordinator-port.ts';
import { SILENCE_MS } from '#cluster/figures.ts';
import { mayPlan, nextTerm } from '#cluster/group-terms.ts';
import { planRecovery, type RecoveryPlan } from '#cluster/plan-recovery.ts';
import type { ClusterNode, Group, NodeStatus, ShardMap } from '#cluster/shard-map.ts';
import { successor, whyNobody, whyNotNext } from '#cluster/successor.ts';
import type { Catalogue, MapWrites } from '#coordinator/catalogue.ts';
import { addedGroup, foundCluster } from '#coordinator/found-cluster.ts';
import type { Roll } from '#coordinator/roll.ts';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';

/** How often a request looks that waits until nodes were heard for long enough, milliseconds. */
const LOOK_MS = 100;
/** The longest such wait: a coordinator that keeps standing still never judges anybody. */
const WAIT_MS_MAX = 4 * SILENCE_MS;

export interface OperatorRequestsOptions {
  readonly catalogue: Catalogue;
  readonly roll: Roll;
  /** Throws where this coordinator is not the active one. */
  readonly leaderRevision: () => number;
  /** Since when this coordinator judges who is heard and who is not, monotonic milliseconds. */
  readonly judgingSinceMs: () => number;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

/**
 * Every promise rejects with `failed_precondition` where this coordinator is not the active one,
 * or the store is older than the cluster, and with `unavailable` where it is worth another try.
 * What depends on who is heard waits until this coordinator judges that: for a new one every node
 * is silent.
 */
export class OperatorRequests {
  readonly #options: OperatorRequestsOptions;

  constructor(options: OperatorRequestsOptions) {
    this.#options = options;
  }

  /** Makes the cluster from nodes that are heard and empty. Resolves with the map that has it; a repeat is answered alike. */
  async initCluster(plan: ClusterPlan): Promise<ShardMap> {
    await this.#untilJudging();
    const { random, clock, roll } = this.#options;
    const { observations } = roll;
    return this.#request(
      (map) => {
        const why = roll.whyLost(map);
        if (why !== undefined) throw new WalnutError('failed_precondition', notBeside(why));
        return foundCluster({ map, plan, observations, nowMs: clock.monotonicMs(), random });
      },
      (map) => map.clusterId !== '',
    );
  }

  /** Adds a group of nodes that are heard, empty and free. It owns no slots. Resolves with the map that has it. */
  async addGroup(plan: GroupPlan): Promise<ShardMap> {
    await this.#untilJudging();
    const { random, clock, roll } = this.#options;
    const { observations } = roll;
    return this.#request(
      (map) => {
        checkFounded(map);
        return addedGroup({ map, observations, nowMs: clock.monotonicMs(), random }, plan);
      },
      (map) => map.groups.has(plan.id),
    );
  }

  /** A draining node hands over what it leads, and leads nothing while others can. Resolves with the map that has it. */
  setNodeStatus(name: string, status: NodeStatus): Promise<ShardMap> {
    const isSet = (map: ShardMap): boolean => map.nodes.get(name)?.status === status;
    return this.#request((map) => {
      const node = checkListed(map, name);
      return isSet(map) ? undefined : { nodes: [{ ...node, status }] };
    }, isSet);
  }

  /**
   * Plans that the node leads the group without losing a write; the most advanced of the
   * others if `to` is empty. Resolves with the map that has the plan.
   */
  async failoverGroup(groupId: string, to: string): Promise<ShardMap> {
    await this.#untilJudging();
    const isWanted = ({ next, leader }: Group): boolean =>
      next !== undefined ? next.node === to || to === '' : to !== '' && leader?.node === to;
    return this.#request(
      (map) => {
        const group = checkPlan(map, groupId, to);
        if (isWanted(group)) return undefined;
        const node = this.#nextIn(map, group, to);
        return { groups: [{ ...group, next: { term: nextTerm(group), node } }] };
      },
      (map) => {
        const group = map.groups.get(groupId);
        return group !== undefined && isWanted(group);
      },
    );
  }

  /**
   * Makes the map anew from what the nodes say, and the next term of the group `forced` with fewer
   * grants; empty: of none (ADR 18).
   * Resolves with what is, or would be, done; changes nothing unless `isApplied` and there are no problems.
   */
  async recover(forced: string, isApplied: boolean): Promise<RecoveryPlan> {
    await this.#untilJudging();
    const { catalogue, leaderRevision, logger } = this.#options;
    const revision = leaderRevision();
    if (!isApplied) return this.#planned((await catalogue.read()).map, forced);
    let plan: RecoveryPlan | undefined;
    const isDone = await catalogue.change(revision, (map) => {
      plan = this.#planned(map, forced);
      const { problems, groups, ...others } = plan;
      if (problems.length > 0) throw new WalnutError('failed_precondition', problems.join('; '));
      return { ...others, groups: groups.map(({ group }) => group) };
    });
    if (!isDone || plan === undefined)
      throw new WalnutError('unavailable', 'the map changed meanwhile: try again');
    logger.warn({ forced, epoch: plan.epoch, clusterId: plan.clusterId }, 'the map was recovered');
    return plan;
  }

  async #untilJudging(): Promise<void> {
    const { clock, judgingSinceMs, leaderRevision } = this.#options;
    const endMs = clock.monotonicMs() + WAIT_MS_MAX;
    for (;;) {
      leaderRevision();
      const nowMs = clock.monotonicMs();
      if (nowMs - judgingSinceMs() >= SILENCE_MS) return;
      if (nowMs >= endMs)
        throw new WalnutError(
          'unavailable',
          'this coordinator stands still again and again, and so does not know which nodes are heard: try again',
        );
      await clock.sleep(LOOK_MS);
    }
  }

  #planned(map: ShardMap, forced: string): RecoveryPlan {
    const { roll, clock } = this.#options;
    const { observations, unbelieved } = roll;
    return planRecovery({ map, observations, nowMs: clock.monotonicMs(), unbelieved }, forced);
  }

  /** The voter that is to lead. Throws `failed_precondition` where `wanted`, or any if it is empty, could not. */
  #nextIn({ nodes }: ShardMap, group: Group, wanted: string): string {
    const { observations } = this.#options.roll;
    const view = { group, nodes, observations, nowMs: this.#options.clock.monotonicMs() };
    const why = wanted === '' ? undefined : whyNotNext(view, wanted);
    const to = wanted === '' ? successor(view) : wanted;
    if (to !== undefined && why === undefined) return to;
    const what =
      wanted === ''
        ? `no voter of ${group.id} could lead in place of ${group.leader?.node} now: ${whyNobody(view)}`
        : `${wanted} cannot lead ${group.id} now: it ${why}`;
    throw new WalnutError('failed_precondition', `${what}; see walnut cluster nodes`);
  }

  /** Makes a change that an operator asks for; `isThere`: the map has it without this change. */
  async #request(
    decide: (map: ShardMap) => MapWrites | undefined,
    isThere: (map: ShardMap) => boolean,
  ): Promise<ShardMap> {
    const { catalogue, leaderRevision, roll } = this.#options;
    const isDone = await catalogue.change(leaderRevision(), (map) => {
      const why = roll.whyEpochAhead(map);
      if (why !== undefined) throw new WalnutError('failed_precondition', why);
      return decide(map);
    });
    const map = catalogue.recorded?.map;
    if (map !== undefined && (isDone || isThere(map))) return map;
    throw new WalnutError('unavailable', 'the map changed meanwhile: try again');
  }
}

/** A second cluster beside a lost one would end the alarm, and keep the lost one from being recovered. */
function notBeside(why: string): string {
  return `${why}; if it is another cluster, stop its nodes or correct their cluster.coordinators, and restart the coordinators`;
}

/** Another coordinator may act for the cluster that the operator means. */
function checkFounded({ clusterId }: ShardMap): void {
  if (clusterId !== '') return;
  throw new WalnutError(
    'failed_precondition',
    'there is no cluster in the metadata store: walnut cluster init makes one; if there should be, correct ' +
      'coordinator.cluster or coordinator.metadata of this coordinator',
  );
}

function checkListed(map: ShardMap, name: string): ClusterNode {
  checkFounded(map);
  const node = map.nodes.get(name);
  if (node !== undefined) return node;
  const known = [...map.nodes.keys()].join(', ') || 'none';
  throw new WalnutError('not_found', `there is no node ${name}: there are ${known}`);
}

function checkPlan(map: ShardMap, groupId: string, to: string): Group {
  checkFounded(map);
  const group = map.groups.get(groupId);
  const known = [...map.groups.keys()].join(', ') || 'none';
  if (group === undefined)
    throw new WalnutError('not_found', `there is no group ${groupId}: there are ${known}`);
  const voters = group.voters.map(({ node }) => node);
  if (to !== '' && !voters.includes(to))
    throw new WalnutError(
      'invalid_argument',
      `${to} is no voter of ${groupId}: expected one of ${voters.join(', ')}`,
    );
  if (group.leader === undefined)
    throw new WalnutError(
      'failed_precondition',
      `${groupId} has no leader now: one is being chosen, see walnut cluster status`,
    );
  if (!mayPlan(group))
    throw new WalnutError(
      'failed_precondition',
      `too many planned failovers of ${groupId} came to nothing in term ${group.term}: only a failover from a leader that is stopped gives the next term`,
    );
  return group;
}
