/** The service of coordinators over one loopback port: a coordinator on a store in memory, and three nodes that a test plays. */
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { applyChange } from '#cluster/map-change.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import { Coordinator as CoordinatorProcess } from '#coordinator/coordinator.ts';
import { CoordinatorDoor } from '#coordinator/coordinator-door.ts';
import type { Members } from '#coordinator/members.ts';
import { NodeStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import type { MetadataStore } from '#metadata/metadata-store.ts';
import { unavailable } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openCoordinatorServer } from '#server/open-coordinator-server.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { fromHeartbeat, toHeartbeatAnswer } from '#wire/heartbeat-codec.ts';
import { toMapChange, toShardMap } from '#wire/shard-map-codec.ts';

const clock = createNodeClock();
const NODES = ['a', 'b', 'c'];
const GROUPS = [{ id: 'g1', nodes: NODES }];
/** Grants every term, and takes over where it is told to. */
const MEMBERS: Members = {
  wouldGrant: (_map, node) => grant(node),
  claim: (_map, node) => grant(node),
  takeOver: async (_map, { term }) => ({ isAccepted: true, term }),
  handOver: async () => ({ isAccepted: false, leadsOn: true, reason: 'no' }),
};

async function grant(node: string) {
  const state = { tail: NO_POSITION, isQuarantined: false, isLoading: false };
  return { kind: 'granted' as const, term: 0, grant: { node, incarnation: 1, ...state } };
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

interface Served {
  readonly client: ReturnType<typeof createClient<typeof Coordinator>>;
  readonly url: string;
  readonly address: string;
}

async function serve(store: MetadataStore): Promise<Served> {
  const coordinator = new CoordinatorProcess({
    cluster: 'test',
    store,
    members: MEMBERS,
    clock,
    readClocks: () => ({
      monotonicMs: clock.monotonicMs(),
      wallMs: clock.wallMs(),
      uptimeMs: clock.monotonicMs(),
    }),
    random: createNodeRandom(),
    logger: silentLogger,
  });
  const server = await openCoordinatorServer({
    coordinator: new CoordinatorDoor({ coordinator, cluster: 'test', clock }),
    clock,
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
  closers.push(
    () => server.close(0),
    () => coordinator.stop(),
  );
  const address = `127.0.0.1:${server.port}`;
  coordinator.start(address);
  const url = `http://${address}`;
  const client = createClient(Coordinator, createConnectTransport({ baseUrl: url, httpVersion: '2' }));
  return { client, url, address };
}

/** Asks again until it is as expected; a test that never sees it ends by its own time limit. */
async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined);
    if (answer !== undefined && isSo(answer)) return answer;
    await clock.sleep(10);
  }
}

let store: MetadataStore;
let active: Served;
let sequence = 0;

beforeEach(async () => {
  store = createMemoryMetadata(clock);
  active = await serve(store);
  await until(
    () => active.client.getCluster({}),
    ({ isActive }) => isActive,
  );
});

const beat = (node: string, fields: object = {}) =>
  active.client
    .heartbeat(fromHeartbeat(heartbeatOf(node, { sequence: ++sequence, ...fields })))
    .then(toHeartbeatAnswer);

/** Beats for these nodes until the answer is there: a new coordinator hears nodes for 1.5 s before it answers. */
async function beating<T>(nodes: readonly string[], answer: Promise<T>): Promise<T> {
  let isOver = false;
  const over = (): void => {
    isOver = true;
  };
  answer.then(over, over);
  while (!isOver) {
    for (const node of nodes) await beat(node);
    await clock.sleep(50);
  }
  return answer;
}

/** The cluster is made, and the node that it chose leads. */
async function found(): Promise<ShardMap> {
  await beating(NODES, active.client.initCluster({ groups: GROUPS }));
  const { map } = await until(
    async () => {
      // A coordinator gives no term to a group whose voters it does not hear.
      for (const node of NODES) await beat(node);
      return active.client.getShardMap({});
    },
    (answer) => answer.map?.groups[0]?.leader !== undefined,
  );
  if (map === undefined) throw new Error('no map');
  return toShardMap(map);
}

describe('a coordinator', () => {
  it('makes a cluster of nodes that are heard, chooses a leader, and leases it', async () => {
    for (const node of NODES) expect((await beat(node)).group).toBeUndefined();
    const made = await beating(NODES, active.client.initCluster({ auto: { replicas: 2 } }));
    expect(made.groups).toMatchObject(GROUPS);
    expect(await active.client.initCluster({ groups: GROUPS })).toMatchObject({ clusterId: made.clusterId });
    const map = await found();
    expect(map.groups.get('g1')).toMatchObject({ term: 1, leader: { node: 'a' } });
    const { clusterId, epoch: mapEpoch } = map;
    const led = { clusterId, role: 'master', term: 1, mapEpoch, ackedByVoters: 2 };
    const answer = await beat('a', led);
    expect(answer).toMatchObject({ clusterId, isLeased: true, group: { id: 'g1' } });
    expect(answer.nodes.map(({ name, address }) => [name, address])).toEqual(
      NODES.map((node) => [node, `${node}:1`]),
    );
    const { groups, isActive, activeCoordinator, alarms } = await active.client.getCluster({});
    expect([isActive, activeCoordinator, alarms]).toEqual([true, active.address, []]);
    expect(groups).toMatchObject([{ slots: 16_384, takesWrites: true, votersHeard: 3 }]);
  });

  it('completes the address of a node that states a port only', async () => {
    await beat('d', { address: ':8080' });
    const { nodes } = await active.client.listNodes({});
    expect(nodes).toMatchObject([
      { node: { name: 'd', address: '127.0.0.1:8080' }, listed: false, heard: true, group: '' },
    ]);
  });

  it('adds a group that owns no slots, and recovers nothing where nothing is wrong', async () => {
    const { epoch } = await found();
    await beat('d');
    const group = { id: 'g2', nodes: ['d'] };
    const added = await active.client.addGroup({ group });
    expect(Number(added.epoch)).toBeGreaterThan(epoch);
    expect((await active.client.addGroup({ group })).epoch).toBeGreaterThanOrEqual(added.epoch);
    const { groups } = await active.client.getCluster({});
    expect(groups.map((each) => [each.group?.id, each.slots])).toEqual([
      ['g1', 16_384],
      ['g2', 0],
    ]);
    await expect(active.client.addGroup({})).rejects.toThrow(/group is missing: expected its id/);
    await expect(active.client.addGroup({ group: { id: 'g3', nodes: ['a'] } })).rejects.toThrow(
      /a belongs to another group/,
    );
    const shown = await active.client.recoverCluster({});
    expect(shown).toMatchObject({ applied: false, groups: [] });
    expect(shown.problems).toEqual([expect.stringContaining('nothing is to be recovered')]);
    await expect(active.client.recoverCluster({ apply: true })).rejects.toThrow(/nothing is to be recovered/);
    await expect(active.client.recoverCluster({ forceGroup: 'g 1' })).rejects.toThrow(/force_group is "g 1"/);
  });

  it('streams the map and its changes', async () => {
    const map = await found();
    const aborter = new AbortController();
    const { signal } = aborter;
    const stream = active.client.watchShardMap({}, { signal })[Symbol.asyncIterator]();
    const { value: first } = await stream.next();
    expect(toShardMap(first.map)).toEqual(map);
    await active.client.setNodeStatus({ node: 'c', status: NodeStatus.DRAINING });
    const { value: second } = await stream.next();
    const newest = second.changes.map(toMapChange).reduce(applyChange, map);
    expect(newest.nodes.get('c')?.status).toBe('draining');
    aborter.abort();
    const known = { clusterId: map.clusterId, knownEpoch: BigInt(map.epoch) };
    expect((await active.client.getShardMap(known)).changes).toHaveLength(1);
    const nothingNew = await active.client.getShardMap({ ...known, knownEpoch: second.epoch });
    expect([nothingNew.map, nothingNew.changes]).toEqual([undefined, []]);
  });

  it('shows the map as JSON, and is ready', async () => {
    await found();
    const answer = await fetch(`${active.url}/v1/map`);
    expect(answer.headers.get('x-map-epoch')).toMatch(/^[1-9]/);
    expect(await answer.json()).toMatchObject({
      slots: [{ last: 16_383, group: 'g1' }],
      groups: [{ id: 'g1', leader: { voter: { node: 'a' } } }],
    });
    expect((await fetch(`${active.url}/v1/map`, { method: 'POST' })).status).toBe(405);
    const ready = await fetch(`${active.url}/readyz?verbose`);
    expect([ready.status, await ready.json()]).toMatchObject([200, { role: 'coordinator', state: 'active' }]);
    const metrics = await (await fetch(`${active.url}/metrics`)).text();
    expect(metrics).toMatch(/^walnut_coordinator_active 1$/m);
    expect(metrics).toMatch(/^walnut_coordinator_groups 1$/m);
    expect(await (await fetch(`${active.url}/`)).text()).toContain('This coordinator is active, ready.');
  });

  it('refuses what cannot be, with what to do', async () => {
    const { client } = active;
    await expect(client.initCluster({})).rejects.toThrow(/expected either groups or auto/);
    await expect(client.initCluster({ auto: { replicas: 2 } })).rejects.toThrow(
      /needs 3 nodes .* there are 0/,
    );
    await expect(client.initCluster({ groups: GROUPS })).rejects.toThrow(/a is not heard: start it/);
    await expect(client.failoverGroup({ group: 'g 1' })).rejects.toThrow(/group is "g 1": expected letters/);
    await expect(client.setNodeStatus({ node: 'a' })).rejects.toThrow(/status is 0: expected NODE_STATUS_/);
    await expect(client.heartbeat({ node: 'a' })).rejects.toThrow(/role is 0/);
  });
});

describe('a coordinator that is not the active one', () => {
  it('answers reads, and refuses the rest with the address of the one that is', async () => {
    const map = await found();
    const passive = await serve(store);
    const { epoch } = await until(
      () => passive.client.getShardMap({}),
      (answer) => answer.epoch > 0n,
    );
    expect(Number(epoch)).toBe(map.epoch);
    const view = await until(
      () => passive.client.getCluster({}),
      (answer) => answer.activeCoordinator !== '',
    );
    expect(view).toMatchObject({ isActive: false, activeCoordinator: active.address, alarms: [] });
    const { nodes } = await passive.client.listNodes({});
    expect(nodes.map(({ node, heard }) => [node?.name, heard])).toEqual(NODES.map((node) => [node, false]));
    const refused = await passive.client.heartbeat(fromHeartbeat(heartbeatOf('a'))).catch((error) => error);
    expect(refused.message).toBe('[failed_precondition] this coordinator is not the active one');
    expect(refused.metadata.get('x-leader-hint')).toBe(active.address);
    await expect(passive.client.failoverGroup({ group: 'g1' })).rejects.toThrow(/not the active one/);
    const ready = await fetch(`${passive.url}/readyz?verbose`);
    expect(await ready.json()).toMatchObject({ ready: true, state: 'passive' });
  });

  it('ends streams of the map, and says why, where the store gives it nothing any more', async () => {
    await found();
    const cut = new AbortController();
    const broken: MetadataStore = {
      ...bind(store),
      read: (prefix) => (cut.signal.aborted ? Promise.reject(unavailable('no etcd')) : store.read(prefix)),
      watch: (prefix, after, signal) => store.watch(prefix, after, AbortSignal.any([signal, cut.signal])),
    };
    const passive = await serve(broken);
    await until(
      () => fetch(`${passive.url}/readyz`),
      ({ status }) => status === 200,
    );
    const stream = passive.client.watchShardMap({})[Symbol.asyncIterator]();
    await stream.next();
    cut.abort();
    await active.client.setNodeStatus({ node: 'c', status: NodeStatus.DRAINING });
    await expect(stream.next()).rejects.toThrow(/the metadata store does not answer: watch at another/);
    const { reasons } = (await (await fetch(`${passive.url}/readyz?verbose`)).json()) as {
      reasons: string[];
    };
    expect(reasons).toContain('the metadata store does not answer: no etcd');
    const { metadataProblem } = await passive.client.getCluster({});
    expect(metadataProblem).toBe('the metadata store does not answer: no etcd');
  });
});

function bind(whole: MetadataStore): MetadataStore {
  return {
    read: (prefix) => whole.read(prefix),
    transact: (transaction) => whole.transact(transaction),
    watch: (prefix, after, signal) => whole.watch(prefix, after, signal),
    grantLease: (ttlMs) => whole.grantLease(ttlMs),
    keepAlive: (lease) => whole.keepAlive(lease),
    revoke: (lease) => whole.revoke(lease),
    close: () => whole.close(),
  };
}
