/** `walnut cluster …` against coordinators that a test plays: words, JSON, exit codes, and whom it calls. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  Alarm,
  ClusterPlan,
  ClusterView,
  CoordinatorPort,
  GroupPlan,
  NodesView,
} from '#cluster/coordinator-port.ts';
import { divideSlots, type Group, type NodeStatus, type ShardMap } from '#cluster/shard-map.ts';
import { tryEndpoint } from '#dial/endpoint.ts';
import { WalnutError } from '#model/errors.ts';
import { NO_POSITION } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { openCoordinatorServer } from '#server/open-coordinator-server.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { READ, readFromActive } from '../../cmd/walnut/cluster/coordinators.ts';
import { runCli } from './memory-io.ts';

const LOG_ID = '1'.repeat(32);

class FakeCoordinator implements CoordinatorPort {
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
    const { clusterId, epoch, isActive, isWriting, alarms } = this;
    const activeCoordinator = this.active || this.address;
    const status = { group: this.#group(), slots: 16_384, isTakingWrites: isWriting, votersHeard: 2 };
    const groups = clusterId === '' ? [] : [status];
    return { name: 'main', clusterId, epoch, isActive, activeCoordinator, groups, alarms };
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

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function serve(): Promise<FakeCoordinator> {
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
  closers.push(() => server.close(0));
  coordinator.address = `127.0.0.1:${server.port}`;
  return coordinator;
}

let one: FakeCoordinator;
beforeEach(async () => {
  one = await serve();
});

const run = (...args: string[]) => runCli(['cluster', ...args, '--coordinators', one.address]);

describe('walnut cluster', () => {
  it('status shows groups and alarms, and ends with 1 where something is wrong', async () => {
    const { code, out } = await run('status');
    expect(code).toBe(0);
    expect(out).toMatch(/active coordinator +127\.0\.0\.1:\d+/);
    expect(out).toMatch(/g1 +3 +a +yes +2 of 2 +16384/);
    one.isWriting = false;
    one.alarms = [{ why: 'g1 cannot fail over', sinceMs: 1_800_000_000_000 }];
    const wrong = await run('status');
    expect(wrong).toMatchObject({
      code: 1,
      out: expect.stringContaining('g1 cannot fail over (since 2027-'),
    });
    const { code: jsonCode, out: json } = await run('status', '--json');
    expect([jsonCode, JSON.parse(json)]).toMatchObject([
      1,
      { healthy: false, epoch: 7, groups: [{ id: 'g1', leader: 'a', takesWrites: false }] },
    ]);
  });

  it('shows nodes, the map, and the place of a key', async () => {
    const { out } = await run('nodes');
    expect(out).toMatch(/a +a:1 +z +g1 +master +3 +0 +120ms ago +draining; no space/);
    expect(out).toMatch(/c +c:1 +no +not listed/);
    expect(JSON.parse((await run('nodes', '--json')).out).nodes).toMatchObject([
      { name: 'a', listed: true, draining: true, silent: false, role: 'master', whyNoWrites: 'no space' },
      { name: 'b', silent: false },
      { name: 'c', listed: false, heard: false },
    ]);
    expect((await run('map')).out).toMatch(/^epoch 7\nslots .*\n0-16383 +g1 +a +a a:1, b b:1\n$/);
    expect(JSON.parse((await run('map', '--json')).out)).toMatchObject({ epoch: 7, groups: [{ id: 'g1' }] });
    expect((await run('slot', '123456789')).out).toBe('slot 12739: g1, led by a a:1\n');
    expect(JSON.parse((await run('slot', 'x{123456789}', '--json')).out)).toMatchObject({ slot: 12_739 });
  });

  it('makes a cluster as it is asked to', async () => {
    expect(await run('init', '--auto', '1')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/ {2}g1: a, b\nIt takes writes\. /),
    });
    expect((await run('init', '--group', 'g1=a,b', '--group', 'g2=c')).code).toBe(0);
    expect(one.asked).toEqual([
      { kind: 'auto', replicas: 1 },
      {
        kind: 'given',
        groups: [
          { id: 'g1', nodes: ['a', 'b'] },
          { id: 'g2', nodes: ['c'] },
        ],
      },
    ]);
    expect(await run('init')).toMatchObject({ code: 2, err: expect.stringContaining('either --auto') });
    for (const wrong of ['g1', 'g1=a,b=c'])
      expect(await run('init', '--group', wrong)).toMatchObject({
        code: 2,
        err: expect.stringContaining('ID=NODE,NODE such as g1=node-1'),
      });
  });

  it('init waits until every group takes writes, as long as it may', async () => {
    one.isWriting = false;
    expect(await run('init', '--auto', '1', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('the map is written, but after 1 ms: g1 does not take writes yet'),
    });
    expect(await run('recover', '--apply', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('the map is written, but after 1 ms: g1 does not take writes yet'),
    });
    const without = await run('init', '--auto', '1', '--timeout', '0s', '--json');
    expect([without.code, JSON.parse(without.out)]).toMatchObject([0, { takesWrites: false }]);
    let looks = 0;
    const { cluster } = one;
    one.cluster = () => {
      one.isWriting = ++looks > 1;
      return cluster.call(one);
    };
    expect((await run('init', '--auto', '1')).code).toBe(0);
    expect(looks).toBe(2);
  });

  it('nodes marks a silent node, and does not show its last word as if it held now', async () => {
    one.silentMs = 10_700;
    expect((await run('nodes')).out).toMatch(/b +b:1 +z +g1 +was replica +3 +0 +silent for 10\.7s/);
    expect(JSON.parse((await run('nodes', '--json')).out).nodes[1]).toMatchObject({
      name: 'b',
      silent: true,
    });
  });

  it('waits until a planned failover is done, and says where it came to nothing', async () => {
    expect(await run('failover', 'g1', '--to', 'b')).toMatchObject({ code: 0, out: 'b leads g1, term 3\n' });
    expect(await run('failover', 'g1', '--timeout', '0s')).toMatchObject({ out: 'b shall lead g1\n' });
    expect(one.asked).toEqual([
      ['g1', 'b'],
      ['g1', ''],
    ]);
    one.failoverGroup = async () => ({ epoch: one.epoch, to: 'a' });
    expect(await run('failover', 'g1', '--to', 'a')).toMatchObject({
      code: 5,
      err: expect.stringContaining('g1 is led by b: a did not take over'),
    });
    one.next = { term: 4, node: 'a' };
    expect(await run('failover', 'g1', '--to', 'a', '--timeout', '1ms')).toMatchObject({
      code: 5,
      err: expect.stringContaining('a does not lead g1 after 1 ms; the plan stands'),
    });
  });

  it('drains a node, and lets it lead again', async () => {
    expect((await run('drain', 'a')).out).toContain('a drains: it hands over g1.');
    expect((await run('drain', 'a', '--undo')).out).toBe('a may lead again\n');
    expect(one.asked).toEqual([
      ['a', 'draining'],
      ['a', 'active'],
    ]);
  });

  it('shows what a recovery would do, and does it only with --apply', async () => {
    const shown = await run('recover');
    expect(shown).toMatchObject({
      code: 0,
      out: `cluster ${one.clusterId}, epoch ${2 ** 32}\n  g1: term 103, of a\nNothing was changed. Do it with: walnut cluster recover --apply\n`,
    });
    const forced = await run('recover', '--group', 'g1', '--force', '--timeout', '0s', '--apply');
    expect(forced).toMatchObject({
      code: 0,
      out: expect.stringContaining(
        'what only the disks of b have is lost, and writes that were answered at QUORUM',
      ),
    });
    expect(forced.out).toContain('until enough of b are back on new disks, no write reaches QUORUM');
    expect(forced.out).toMatch(/Done\.\n$/);
    one.problems = ['too few'];
    expect(await run('recover')).toMatchObject({
      code: 1,
      out: expect.stringContaining('It cannot be done:\n  too few\n'),
    });
    expect(JSON.parse((await run('recover', '--json')).out)).toMatchObject({
      applied: false,
      problems: ['too few'],
      groups: [{ id: 'g1', term: 103, heard: ['a'] }],
    });
    for (const wrong of [['--force'], ['--group', 'g1']])
      expect(await run('recover', ...wrong)).toMatchObject({
        code: 2,
        err: expect.stringContaining('together'),
      });
    expect(one.asked.slice(0, 2)).toEqual([
      ['recover', '', false],
      ['recover', 'g1', true],
    ]);
  });

  it('says where a draining node goes on leading, and where it leads nothing', async () => {
    one.silentMs = 10_700;
    expect(await run('drain', 'a')).toMatchObject({
      code: 0,
      out: expect.stringContaining('a drains, but goes on leading g1 until another voter could'),
    });
    expect(JSON.parse((await run('drain', 'a', '--json')).out)).toMatchObject({
      keeps: ['g1'],
      handsOver: [],
    });
    expect((await run('drain', 'b')).out).toBe('b drains: it leads nothing now\n');
  });

  it('says how to make a cluster where there is none', async () => {
    one.clusterId = '';
    expect(await run('status')).toMatchObject({
      code: 1,
      out: expect.stringContaining('walnut cluster init'),
    });
    expect((await run('map')).out).toContain('walnut cluster init');
    expect((await run('slot', 'k')).out).toMatch(/^slot \d+: no group owns it\n$/);
  });

  it('does not say so where the store was lost', async () => {
    one.clusterId = '';
    one.alarms = [{ why: 'the store was lost', sinceMs: 1_800_000_000_000 }];
    const { out } = await run('status');
    expect(out).toContain('not in the metadata store: see the alarm');
    expect(out).not.toContain('walnut cluster init');
  });
});

describe('the coordinators that are called', () => {
  it('are those that answer, and the active one for what only that one answers', async () => {
    const two = await serve();
    two.active = one.address;
    const named = `127.0.0.1:1,${two.address}`;
    const call = (...args: string[]) => runCli(['cluster', ...args, '--coordinators', named]);
    expect(await call('drain', 'a')).toMatchObject({ code: 0 });
    expect([one.asked.length, two.asked.length]).toEqual([1, 0]);
    expect((await call('status')).out).not.toContain('note');
    one.active = '127.0.0.1:1';
    two.active = '127.0.0.1:1';
    const { code, out } = await call('status');
    expect([code, out]).toEqual([1, expect.stringMatching(/g1 +3 +a +unknown +unknown +16384/)]);
    expect(out).toContain(
      'the active coordinator failed to answer: no answer from 127.0.0.1:1 (ECONNREFUSED)',
    );
    expect(out).toContain(`this is what ${two.address} knows, which hears no node`);
    expect(JSON.parse((await call('status', '--json')).out).groups[0]).toMatchObject({ takesWrites: null });
    expect(await call('drain', 'a')).toMatchObject({ code: 5 });
  });

  it('are all asked where one that is passive knows of no active one', async () => {
    const two = await serve();
    two.active = 'nobody';
    two.cluster = () => ({ ...FakeCoordinator.prototype.cluster.call(two), activeCoordinator: '' });
    const both = `${two.address},${one.address}`;
    expect((await runCli(['cluster', 'status', '--coordinators', both])).out).toMatch(/g1 +3 +a +yes/);
    expect(await runCli(['cluster', 'status', '--coordinators', two.address])).toMatchObject({
      code: 1,
      out: expect.stringContaining('no active coordinator is known: this is what'),
    });
  });

  it('may be frozen: the read ends soon, and shows what another one knows', async () => {
    const sockets: Socket[] = [];
    const frozen = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
    closers.push(async () => {
      for (const socket of sockets) socket.destroy();
      frozen.close();
    });
    const active = `127.0.0.1:${(frozen.address() as AddressInfo).port}`;
    one.active = active;
    const endpoints = [active, one.address].map((text) => tryEndpoint(text) ?? expect.unreachable(text));
    const { answer, note } = await readFromActive(endpoints, (client) =>
      client.getCluster({}, { timeoutMs: 20 }),
    );
    expect([answer.isActive, note]).toEqual([
      false,
      `the active coordinator failed to answer: no answer from ${active} (no answer within 20 ms); ` +
        `this is what ${one.address} knows, which hears no node`,
    ]);
    expect(READ.timeoutMs).toBeLessThanOrEqual(2_000);
  });

  it('are named in the message where they refuse', async () => {
    one.setNodeStatus = async () => {
      throw new WalnutError('not_found', 'there is no node x');
    };
    expect(await run('drain', 'x')).toMatchObject({
      code: 5,
      err: expect.stringContaining(`${one.address} answered NOT_FOUND: there is no node x`),
    });
    one.setNodeStatus = async () => {
      throw new WalnutError('unavailable', 'the map changed meanwhile: try again');
    };
    const named = `${one.address},127.0.0.1:1`;
    expect(await runCli(['cluster', 'drain', 'x', '--coordinators', named])).toMatchObject({
      code: 5,
      err: expect.stringContaining(`${one.address} answered UNAVAILABLE: the map changed meanwhile`),
    });
  });

  it('may know an older map than the one that has the plan of a failover: it says nothing of the plan', async () => {
    const two = await serve();
    two.active = one.address;
    let looks = 0;
    two.map = () => {
      looks++;
      const stale = { ...FakeCoordinator.prototype.map.call(two), epoch: 7 };
      return looks === 1 ? stale : one.map();
    };
    const both = `${two.address},${one.address}`;
    const done = await runCli(['cluster', 'failover', 'g1', '--to', 'b', '--coordinators', both]);
    expect([done.code, done.out]).toEqual([0, 'b leads g1, term 3\n']);
    expect(looks).toBeGreaterThan(1);
  });

  it('are named by the environment, and by what to do where none answers', async () => {
    const env = { WALNUT_COORDINATORS: one.address };
    expect((await runCli(['cluster', 'map'], { env })).code).toBe(0);
    const none = await runCli(['cluster', 'map', '--coordinators', '127.0.0.1:1']);
    expect([none.code, none.err]).toEqual([
      5,
      expect.stringMatching(/no coordinator answered at 127\.0\.0\.1:1.*--coordinators HOST:PORT/s),
    ]);
    const wrong = await runCli(['cluster', 'map'], { env: { WALNUT_COORDINATORS: 'a b' } });
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('WALNUT_COORDINATORS is "a b"')]);
  });
});
