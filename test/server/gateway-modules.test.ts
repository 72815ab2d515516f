/** Admin and Coordinator at a gateway, and the commands that show the cluster through it. */
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import type { ShardMap } from '#cluster/shard-map.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { ClusterReads } from '#peer/cluster-reads.ts';
import { MapLinks } from '#peer/map-links.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openGatewayServer } from '#server/open-gateway-server.ts';
import type { RunningServer } from '#server/open-server.ts';
import { type FakeCoordinator, serve } from '#test/cli/fake-coordinator.ts';
import { runCli } from '#test/cli/memory-io.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';

const NOBODY = '127.0.0.1:1';
const MIB = 1_024 * 1_024;
let map: ShardMap | undefined;
let active: FakeCoordinator;
let gateway: RunningServer;

/** A gateway that asks these coordinators. */
async function open(...coordinators: string[]): Promise<RunningServer> {
  const clock = createNodeClock();
  const links = new MapLinks({ clock });
  onTestFinished(() => links.close());
  const server = await openGatewayServer({
    gateway: {
      get map() {
        return map;
      },
      readiness: () => ({
        isReady: map !== undefined,
        role: 'gateway',
        state: 'serving',
        reasons: ['a reason'],
      }),
      view: () => ({
        clusterId: map?.clusterId ?? '',
        mapEpoch: map?.epoch ?? 0,
        mapAgeMs: 0,
        isFollowing: true,
        groups: [],
        retries: 0,
      }),
      whenMapHeard: () => undefined,
    },
    keyValue: {} as KeyValuePort,
    reads: new ClusterReads(coordinators, links),
    clock,
    logger: silentLogger,
    metrics: new Metrics(),
    version: '0.0.0',
    host: '127.0.0.1',
    port: 0,
    hostNames: [],
    corsOrigins: new Set(),
    valueBytesMax: MIB,
    batchBytesMax: MIB,
    bodyBytesMax: MIB,
    answerBytesMax: MIB,
    openFilesMax: 1_024,
    http1: HTTP1,
    http2: HTTP2,
  });
  onTestFinished(() => server.close(0));
  return server;
}

beforeEach(async () => {
  map = mapOf(['g1', 'g2'], 5);
  const passive = await serve();
  active = await serve();
  passive.active = active.address;
  gateway = await open(NOBODY, passive.address, active.address);
});

afterEach(() => {
  map = undefined;
});

const walnut = (...args: string[]) => runCli([...args, '--address', gateway.address]);

it('walnut status shows the gateway, and the cluster as the active coordinator says', async () => {
  const { code, out, err } = await walnut('status');
  expect({ code, err }).toEqual({ code: 0, err: '' });
  expect(out).toMatch(/^gateway +127\.0\.0\.1:\d+\nstate +serving, ready\nreason +a reason\n/);
  expect(out).toMatch(/active coordinator +127\.0\.0\.1:\d+/);
  expect(out).toMatch(/g1 +3 +a +yes +2 of 2 +16384/);
  expect(JSON.parse((await walnut('status', '--all', '--json')).out)).toMatchObject({
    role: 'gateway',
    ready: true,
    cluster: { isActive: true, groups: [{ id: 'g1', takesWrites: true }] },
  });
});

it('walnut cluster reads through it, and what changes the map goes to the coordinator that it names', async () => {
  expect((await walnut('cluster', 'status')).out).toMatch(/g1 +3 +a +yes +2 of 2 +16384/);
  expect((await walnut('cluster', 'nodes')).out).toMatch(/a +a:1 +z +g1 +master/);
  expect((await walnut('cluster', 'map')).out).toContain('epoch 5\n');
  expect((await walnut('cluster', 'slot', 'foo')).out).toContain('slot 12182: g2');
  expect(await walnut('cluster', 'drain', 'a')).toMatchObject({ code: 0 });
  expect(active.asked).toEqual([['a', 'draining']]);
  // What is named as coordinators counts before the address.
  const elsewhere = await walnut('cluster', 'map', '--coordinators', NOBODY);
  expect(elsewhere).toMatchObject({ code: 5, err: expect.stringContaining('no coordinator answered') });
});

it('tells who follows its map to follow the coordinator, by its address', async () => {
  const links = new MapLinks({ clock: createNodeClock() });
  onTestFinished(() => links.close());
  const { signal } = new AbortController();
  const followed = links.follow(gateway.address, '', 0, signal)[Symbol.asyncIterator]().next();
  await expect(followed).rejects.toThrow(
    `a gateway does not answer WatchShardMap: call the coordinator at ${active.address}`,
  );
});

it('without an active coordinator it shows the map, and says that nobody is heard', async () => {
  gateway = await open(NOBODY);
  const { code, out } = await walnut('status');
  expect(code).toBe(0);
  expect(out).toContain('no active coordinator answers the gateway');
  expect(out).toMatch(/g2 +5 +g2-1 +unknown +unknown +8192/);
  const status = await walnut('cluster', 'status');
  expect(status).toMatchObject({ code: 1, out: expect.stringContaining('which hears no node') });
  expect((await walnut('cluster', 'nodes')).out).toMatch(/g1-2 +g1-2:1 +g1 +unknown/);
  map = undefined;
  expect((await walnut('status')).out).toMatch(/state +loading, not ready/);
  expect((await walnut('cluster', 'map')).err).toContain('there is no map of the cluster yet');
});

it.each([
  ['digest', '--compare'],
  ['restore-to', '--source', '/'],
])('walnut %s asks for a node', async (...args) => {
  const { code, err } = await walnut(...args);
  expect([code, err]).toEqual([2, expect.stringContaining('is the gateway of a cluster')]);
});

it.each([
  [['digest'], 'call Digest at a node; walnut cluster nodes lists them'],
  [
    ['promote'],
    'Promote is not for a cluster: a coordinator decides who leads. Use: walnut cluster failover GROUP',
  ],
  [['checkpoint'], 'call Checkpoint at a node'],
  [['scrub'], 'call Scrub at a node'],
  [['slowlog'], 'call GetSlowLog at a node'],
])('walnut %s is told to ask a node', async (args, message) => {
  const { code, err } = await walnut(...args);
  expect([code, err]).toEqual([5, expect.stringContaining(message)]);
  expect(err).not.toContain('unknown rpc');
});

it.each(['Admin/Checkpoint', 'Admin/Digest', 'Coordinator/InitCluster'])(
  'refuses %s with nothing done',
  async (rpc) => {
    const response = await fetch(`http://${gateway.address}/walnut.v1.${rpc}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{}',
    });
    const { code, details } = (await response.json()) as { code: string; details: { type: string }[] };
    expect(code).toBe('failed_precondition');
    expect(details.map(({ type }) => type)).toContain('walnut.v1.Refusal');
  },
);
