/** Which coordinators `walnut cluster …` calls: those that answer, and the active one for what only that one answers. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { tryEndpoint } from '#dial/endpoint.ts';
import { WalnutError } from '#model/errors.ts';
import { readCall, readFromActive } from '../../cmd/walnut/cluster/coordinators.ts';
import { FakeCoordinator, serve } from './fake-coordinator.ts';
import { runCli } from './memory-io.ts';

const { signal: interrupted } = new AbortController();
let one: FakeCoordinator;
beforeEach(async () => {
  one = await serve();
});

const run = (...args: string[]) => runCli(['cluster', ...args, '--coordinators', one.address]);

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

  it('are named where none of them answers, which says nothing of the cluster', async () => {
    const call = await runCli(['cluster', 'status', '--coordinators', '127.0.0.1:1']);
    expect(call).toMatchObject({ code: 5, out: '', err: expect.stringContaining('127.0.0.1:1') });
  });

  it('are called by one client each, also where another one tells the address', async () => {
    const two = await serve();
    two.active = one.address;
    const endpoints = [two, one].map(({ address }) => tryEndpoint(address) ?? expect.unreachable(address));
    const clients = new Set<object>();
    for (let polls = 0; polls < 3; polls++)
      await readFromActive(endpoints, (client) => {
        clients.add(client);
        return client.getCluster({}, readCall({ interrupted }));
      });
    expect(clients.size).toBe(2);
  });

  it('are asked again while none is active, as long as the command may wait', async () => {
    const { initCluster } = FakeCoordinator.prototype;
    let asked = 0;
    one.initCluster = async (plan) => {
      if (++asked < 3) throw new WalnutError('unavailable', 'no coordinator is known to be active yet');
      return initCluster.call(one, plan);
    };
    expect((await run('init', '--auto', '1')).code).toBe(0);
    expect(asked).toBe(3);
    asked = -100;
    const late = await run('failover', 'g1', '--timeout', '1ms');
    expect(late.code).toBe(0);
    expect(await run('init', '--auto', '1', '--timeout', '0s')).toMatchObject({
      code: 5,
      err: expect.stringContaining('answered UNAVAILABLE: no coordinator is known to be active yet'),
    });
  });

  it('are asked again while none answers, as while they start', async () => {
    const { port } = new URL(`http://${one.address}`);
    let refused = 0;
    const starting = createServer((socket) => {
      if (++refused <= 3) return void socket.destroy();
      const through = connect(Number(port), '127.0.0.1');
      for (const end of [socket, through]) end.on('error', () => end.destroy());
      socket.pipe(through).pipe(socket);
    });
    await new Promise<void>((resolve) => starting.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void starting.close());
    const named = `127.0.0.1:${(starting.address() as AddressInfo).port}`;
    expect(await runCli(['cluster', 'init', '--auto', '1', '--coordinators', named])).toMatchObject({
      code: 0,
      err: '',
    });
    expect(refused).toBeGreaterThan(3);
  });

  it('may name one that is gone: the message says so, and how long it takes until another one acts', async () => {
    one.active = '127.0.0.1:1';
    expect(await run('drain', 'a')).toMatchObject({
      code: 5,
      err: expect.stringMatching(
        /answered UNAVAILABLE: the active coordinator fails to answer: no answer from 127\.0\.0\.1:1 .*ECONNREFUSED.*within 7 s/,
      ),
    });
  });

  it('may name an address that is none: the message says so', async () => {
    one.active = 'nowhere';
    expect(await run('init', '--auto', '1')).toMatchObject({
      code: 5,
      err: expect.stringMatching(/names "nowhere" as an address .*no HOST:PORT/),
    });
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

  it('are called first where their store has the cluster, and one that acts on another store is named', async () => {
    const stray = await serve();
    stray.clusterId = '';
    const named = `127.0.0.1:1,${stray.address},${one.address}`;
    const call = (...args: string[]) => runCli(['cluster', ...args, '--coordinators', named]);
    const status = await call('status');
    expect([status.code, status.err]).toEqual([
      0,
      `note: ${stray.address} acts on a metadata store without a cluster: correct its coordinator.cluster or ` +
        'coordinator.metadata, or stop it\n',
    ]);
    expect(status.out).toMatch(/g1 +3 +a +yes/);
    expect((await call('nodes')).out).toMatch(/a +a:1 +z +g1 +master/);
    expect((await call('failover', 'g1')).out).toBe('b leads g1, term 3\n');
    expect((await call('recover')).code).toBe(0);
    expect([stray.asked, one.asked.length]).toEqual([[], 2]);
    expect((await call('status', '--json')).err).toBe('');
  });

  it('may be frozen: the read ends soon, and shows what another one knows', async () => {
    const sockets: Socket[] = [];
    const frozen = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => frozen.listen(0, '127.0.0.1', resolve));
    onTestFinished(async () => {
      for (const socket of sockets) socket.destroy();
      frozen.close();
    });
    const active = `127.0.0.1:${(frozen.address() as AddressInfo).port}`;
    one.active = active;
    const endpoints = [active, one.address].map((text) => tryEndpoint(text) ?? expect.unreachable(text));
    const { answer, note } = await readFromActive(endpoints, (client) =>
      client.getCluster({}, { timeoutMs: 500, signal: undefined }),
    );
    expect([answer.isActive, note]).toEqual([
      false,
      `the active coordinator failed to answer: no answer from ${active} (no answer within 500 ms); ` +
        `this is what ${one.address} knows, which hears no node`,
    ]);
    expect(readCall({ interrupted }).timeoutMs).toBeLessThanOrEqual(2_000);
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
