/** A coordinator that a test plays, on a port of its own; closed after each test. */
import { expect, onTestFinished } from 'vitest';
import type {
  Alarm,
  ClusterPlan,
  ClusterView,
  CoordinatorPort,
  GroupPlan,
  NodesView,
} from '#cluster/coordinator-port.ts';
import { divideSlots, type Group, type NodeStatus, type ShardMap } from '#cluster/shard-map.ts';
import { WalnutError } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openCoordinatorServer } from '#server/open-coordinator-server.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';

const LOG_ID = '1'.repeat(32);

export class FakeCoordinator implements CoordinatorPort {
  address = '';
  /** The address of the active one; empty: this one is. */
  active = '';
  clusterId = '2'.repeat(32);
  leader = 'a';
  next: Group['next'];
  isWriting = true;
  epoch = 7;
  /** The time since the other voter was heard. */
  silentMs = 100;
  alarms: readonly Alarm[] = [];
  warnings: readonly string[] = [];
  metadataProblem = '';
  problems: readonly string[] = [];
  readonly asked: unknown[] = [];

  get isActive(): boolean {
    return this.active === '' || this.active === this.address;
  }

  #group(): Group {
    const voters = ['a', 'b'].map((node) => ({ node, incarnation: 1 }));
    const leader = { node: this.leader, incarnation: 1, tail: NO_POSITION };
    return {
      id: 'g1',
      logId: LOG_ID,
      voters,
      term: 3,
      leader,
      lastLeader: '',
      next: this.next,
      withdrawn: 0,
      grants: undefined,
    };
  }

  #mayChange(what: unknown): void {
    if (!this.isActive)
      throw new WalnutError('failed_precondition', 'this coordinator is not the active one', {
        leaderHint: this.active,
      });
    this.asked.push(what);
  }

  map(): ShardMap {
    const nodes = ['a', 'b'].map((name) => ({
      name,
      address: `${name}:1`,
      zone: 'z',
      status: 'active' as const,
    }));
    return {
      clusterId: this.clusterId,
      epoch: this.epoch,
      groups: new Map(this.clusterId === '' ? [] : [['g1', this.#group()]]),
      slots: this.clusterId === '' ? [] : divideSlots(['g1']),
      nodes: new Map(nodes.map((node) => [node.name, node])),
    };
  }

  newsFor() {
    return { kind: 'whole' as const, map: this.map(), epoch: this.epoch };
  }

  cluster(): ClusterView {
    const { clusterId, epoch, isActive, isWriting, alarms, warnings, metadataProblem } = this;
    const activeCoordinator = this.active || this.address;
    const status = { group: this.#group(), slots: 16_384, isTakingWrites: isWriting, votersHeard: 2 };
    const groups = clusterId === '' ? [] : [status];
    const said = { alarms, warnings, metadataProblem };
    return { name: 'main', clusterId, epoch, isActive, activeCoordinator, groups, ...said };
  }

  nodes(): NodesView {
    const heartbeat = heartbeatOf('a', { role: 'master', term: 3, whyNoWrites: 'no space' });
    const heard = { agoMs: 120, heartbeat };
    const node = { name: 'a', address: 'a:1', zone: 'z', status: 'draining' as const };
    const other = { ...node, name: 'b', address: 'b:1', status: 'active' as const };
    const unlisted = { name: 'c', address: 'c:1', zone: '', status: 'active' as const };
    return {
      isActive: this.isActive,
      activeCoordinator: this.active || this.address,
      nodes: [
        { node, isListed: true, group: 'g1', heard },
        {
          node: other,
          isListed: true,
          group: 'g1',
          heard: { agoMs: this.silentMs, heartbeat: heartbeatOf('b', { role: 'replica', term: 3 }) },
        },
        { node: unlisted, isListed: false, group: '', heard: undefined },
      ],
    };
  }

  async initCluster(plan: ClusterPlan) {
    this.#mayChange(plan);
    return { epoch: 1, clusterId: this.clusterId, groups: [{ id: 'g1', nodes: ['a', 'b'] }] };
  }

  async failoverGroup(group: string, to: string) {
    this.#mayChange([group, to]);
    this.leader = to || 'b';
    this.epoch++;
    return { epoch: this.epoch, to: this.leader };
  }

  async addGroup(plan: GroupPlan) {
    this.#mayChange(plan);
    this.epoch = 8;
    return 8;
  }

  async recover(forced: string, isApplied: boolean) {
    this.#mayChange(['recover', forced, isApplied]);
    const grants = forced === '' ? undefined : { term: 103, count: 1, voters: [] };
    const group = { ...this.#group(), term: 103, leader: undefined, grants };
    const { problems, clusterId } = this;
    const groups = [{ group, heard: ['a'], missing: forced === '' ? [] : ['b'] }];
    return { clusterId, epoch: 2 ** 32, groups, slots: [], nodes: [], problems };
  }

  async setNodeStatus(node: string, status: NodeStatus) {
    this.#mayChange([node, status]);
    return 9;
  }

  readiness() {
    return { isReady: true, role: 'coordinator', state: 'active', reasons: [] };
  }

  counts() {
    return { heartbeats: 0, leases: 0, failovers: 0 };
  }

  isFollowing(): boolean {
    return true;
  }

  async heartbeat(): Promise<never> {
    return expect.unreachable('nobody is heard');
  }

  async nextChange(): Promise<never> {
    return expect.unreachable('nobody watches');
  }
}

/** A coordinator that closes at the end of the test. */
export async function serve(): Promise<FakeCoordinator> {
  const coordinator = new FakeCoordinator();
  const server = await openCoordinatorServer({
    coordinator,
    clock: createNodeClock(),
    logger: silentLogger,
    metrics: new Metrics(),
    host: '127.0.0.1',
    port: 0,
    hostNames: [],
    corsOrigins: new Set(),
    bodyBytesMax: 1 << 20,
    answerBytesMax: 1 << 20,
    version: '0.0.0-test',
    openFilesMax: 1_000,
    http1: HTTP1,
    http2: HTTP2,
  });
  onTestFinished(() => server.close(0));
  coordinator.address = `127.0.0.1:${server.port}`;
  return coordinator;
}
