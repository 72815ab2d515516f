/** A coordinator as nodes, operators and readers of the map call it: the port of its service. */

import { groupsOf, type Heard, nodesOf } from '#cluster/cluster-views.ts';
import type {
  Answering,
  ClusterPlan,
  ClusterView,
  CoordinatorCounts,
  CoordinatorPort,
  FailoverPlanned,
  GroupPlan,
  InitAnswer,
  MapNews,
  NodesView,
} from '#cluster/coordinator-port.ts';
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { RecoveryPlan } from '#cluster/plan-recovery.ts';
import type { NodeStatus, ShardMap } from '#cluster/shard-map.ts';
import type { Coordinator } from '#coordinator/coordinator.ts';
import type { Readiness } from '#model/edge.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';

export interface CoordinatorDoorOptions {
  readonly coordinator: Coordinator;
  /** The name by which coordinators find their cluster in the store. */
  readonly cluster: string;
  readonly clock: Clock;
}

export class CoordinatorDoor implements CoordinatorPort {
  readonly #coordinator: Coordinator;
  readonly #cluster: string;
  readonly #clock: Clock;

  constructor({ coordinator, cluster, clock }: CoordinatorDoorOptions) {
    this.#coordinator = coordinator;
    this.#cluster = cluster;
    this.#clock = clock;
  }

  readiness(): Readiness {
    const { isActive, active, feed, alarms, metadataProblem } = this.#coordinator;
    const role = 'coordinator';
    // What an alarm said as this coordinator was active is old.
    const reasons = isActive ? alarms.map(({ why }) => why) : [];
    if (metadataProblem !== '' && !reasons.includes(metadataProblem)) reasons.push(metadataProblem);
    if (feed.map === undefined)
      return {
        role,
        isReady: false,
        state: 'loading',
        reasons: [metadataProblem || 'the metadata store was not read yet'],
      };
    if (!feed.isFollowing)
      reasons.push('the map is the last one that was read: changes of the metadata store do not arrive');
    if (active === undefined) reasons.push('no coordinator is known to be active');
    return { role, isReady: active !== undefined, state: isActive ? 'active' : 'passive', reasons };
  }

  counts(): CoordinatorCounts {
    return this.#coordinator.counts;
  }

  heartbeat(heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    return this.#coordinator.heartbeat(heartbeat);
  }

  map(): ShardMap {
    const { map } = this.#coordinator.feed;
    if (map === undefined) throw unavailable('the metadata store was not read yet: try again');
    return map;
  }

  newsFor(clusterId: string, epoch: number): MapNews {
    const map = this.map();
    return this.#coordinator.feed.newsFor(clusterId, epoch) ?? { kind: 'whole', map, epoch: map.epoch };
  }

  nextChange(limitMs: number, signal: AbortSignal): Promise<void> {
    return this.#coordinator.feed.nextChange(limitMs, signal);
  }

  isFollowing(): boolean {
    return this.#coordinator.feed.isFollowing;
  }

  cluster(): ClusterView {
    const map = this.map();
    const { clusterId, epoch } = map;
    const { isActive, alarms, warnings, metadataProblem } = this.#coordinator;
    return {
      ...this.#answering(),
      name: this.#cluster,
      clusterId,
      epoch,
      groups: groupsOf(map, this.#heard()),
      alarms: isActive ? alarms : [],
      warnings: isActive ? warnings : [],
      metadataProblem,
    };
  }

  nodes(): NodesView {
    return { ...this.#answering(), nodes: nodesOf(this.map(), this.#heard()) };
  }

  async initCluster(plan: ClusterPlan): Promise<InitAnswer> {
    const { clusterId, epoch, groups } = await this.#coordinator.requests.initCluster(plan);
    const plans = [...groups.values()].map(({ id, voters }) => ({
      id,
      nodes: voters.map(({ node }) => node),
    }));
    return { clusterId, epoch, groups: plans };
  }

  async failoverGroup(group: string, to: string): Promise<FailoverPlanned> {
    const { epoch, groups } = await this.#coordinator.requests.failoverGroup(group, to);
    const planned = groups.get(group);
    const node = planned?.next?.node ?? planned?.leader?.node;
    if (node !== undefined) return { epoch, to: node };
    throw new WalnutError('unavailable', `${group} lost its leader meanwhile: one is being chosen`);
  }

  async addGroup(plan: GroupPlan): Promise<number> {
    return (await this.#coordinator.requests.addGroup(plan)).epoch;
  }

  recover(forced: string, isApplied: boolean): Promise<RecoveryPlan> {
    return this.#coordinator.requests.recover(forced, isApplied);
  }

  async setNodeStatus(node: string, status: NodeStatus): Promise<number> {
    return (await this.#coordinator.requests.setNodeStatus(node, status)).epoch;
  }

  #answering(): Answering {
    const { isActive, active } = this.#coordinator;
    return { isActive, activeCoordinator: active?.address ?? '' };
  }

  /** Nothing where this coordinator is not active: what it heard as it was is old. */
  #heard(): Heard {
    const { isActive, observations } = this.#coordinator;
    return { observations: isActive ? observations : new Map(), nowMs: this.#clock.monotonicMs() };
  }
}
