/** The gateway binary on a real cluster of two groups: the API through it, a failover, a start without coordinators. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import { eventually, type RealNode, RealNodes } from '#test/cmd/real-node.ts';
import { codeBlocksOf } from '#test/doubles/markdown.ts';
import { lintMetrics } from '#test/doubles/metrics-lint.ts';
import { ROOT, readText } from '#test/house/source-files.ts';
import { json } from '../../client/codecs.ts';
import { connect } from '../../client/connect.ts';

const processes = new RealNodes();
afterEach(() => processes.end());

const text = (value: string): string => Buffer.from(value).toString('base64');

interface Cluster {
  readonly coordinator: RealNode;
  readonly nodes: ReadonlyMap<string, RealNode>;
}

/** Two groups of two: `a` and `b`, `c` and `d`. */
async function startCluster(): Promise<Cluster> {
  const file = join(await processes.directory(), 'metadata.db');
  const coordinator = await processes.start({
    binary: 'coordinator',
    sets: [`coordinator.metadata.file=${file}`],
  });
  const nodes = new Map<string, RealNode>();
  for (const name of ['a', 'b', 'c', 'd']) {
    const sets = [`cluster.node=${name}`, `cluster.coordinators=${coordinator.address}`];
    nodes.set(name, await processes.start({ binary: 'node', sets }));
  }
  const groups = [
    { id: 'g1', nodes: ['a', 'b'] },
    { id: 'g2', nodes: ['c', 'd'] },
  ];
  await eventually(
    async () => (await coordinator.call('Coordinator/InitCluster', { groups })).status === 200,
    'the cluster is made',
  );
  return { coordinator, nodes };
}

async function leaderOf({ coordinator, nodes }: Cluster, id: string): Promise<RealNode> {
  const { body } = await coordinator.call('Coordinator/GetCluster');
  const { group } = body.groups.find((one: { group: { id: string } }) => one.group.id === id);
  return nodes.get(group.leader.voter.node) as RealNode;
}

/** Runs a program of a document against this coordinator; resolves with what it printed. */
async function runProgram(text: string, coordinator: string): Promise<string> {
  const file = join(await processes.directory(), 'program.ts');
  await writeFile(file, text.replaceAll("'./", `'${ROOT}/`).replace('127.0.0.1:8070', coordinator));
  const { stdout } = await promisify(execFile)(process.execPath, [file], { timeout: 30_000 });
  return stdout;
}

describe('walnut-gateway', () => {
  it('serves the keys of two groups, through the loss of a master and without coordinators', async () => {
    const cluster = await startCluster();
    const mapFile = join(await processes.directory(), 'new', 'map');
    const sets = [`gateway.coordinators=${cluster.coordinator.address}`, `gateway.map_file=${mapFile}`];
    const gateway = await processes.start({ binary: 'gateway', sets });
    await eventually(async () => (await gateway.get('/readyz')).status === 200, 'the gateway is ready');

    const operations = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => ({
      increment: { key, delta: '1', durability: 'DURABILITY_QUORUM' },
    }));
    const { body } = await gateway.call('KVStore/Batch', { operations });
    expect(body.results.filter((one: object) => 'error' in one)).toEqual([]);
    expect(body.results.map((one: { increment: { value: string } }) => one.increment.value)).toEqual(
      operations.map(() => '1'),
    );
    const epochs = new Set(
      body.results.map((one: { increment: { position: { epoch: string } } }) => one.increment.position.epoch),
    );
    expect(epochs.size).toBe(2);
    expect((await gateway.call('KVStore/Set', { key: 'k', value: text('v') })).body.applied).toBe(true);
    expect((await gateway.get('/v1/keys/k')).text).toBe('v');
    const { body: status } = await gateway.call('Admin/Status');
    expect(status).toMatchObject({
      ready: true,
      cluster: { isActive: true, groups: [{ slots: 8_192 }, {}] },
    });
    const { text: metrics } = await gateway.get('/metrics');
    expect(lintMetrics(metrics)).toEqual([]);
    const listed = await readFile(new URL('../../docs/gateway.md', import.meta.url), 'utf8');
    const shown = [...metrics.matchAll(/^# TYPE (walnut_gateway_\S+) (\S+)$/gm)];
    expect(shown.length).toBe(9);
    for (const [, name, type] of shown) expect(listed).toContain(`| \`${name}\` | ${type} |`);

    // What the client library says of clusters, as it is written there.
    const program = codeBlocksOf(readText('client/README.md')).find(({ heading }) => heading === 'A cluster');
    expect(await runProgram(program?.text ?? '', cluster.coordinator.address)).toBe('bob 3\n');
    const client = connect({
      cluster: [cluster.coordinator.address],
      near: { prefix: 'near:' },
      timeoutMs: 30_000,
    });
    const seen: string[] = [];
    let isWatching = false;
    const watched = (async () => {
      for await (const { events } of client.watch({ prefix: 'n' })) {
        isWatching = true;
        seen.push(...events.map(({ key }) => key));
      }
    })();
    await eventually(async () => isWatching, 'both groups are watched');
    const keys = Array.from({ length: 8 }, (_, i) => `n${i}`);
    for (const key of ['near:1', 'near:2']) {
      expect(await client.getOrSet(key, async () => 'loaded', { ttlMs: 60_000, codec: json<string>() })).toBe(
        'loaded',
      );
      await eventually(
        async () => (await client.get(key)).found && (client.nearStats?.hits ?? 0) > 0,
        'a hit',
      );
    }

    // What the client has seen is on both disks of its group, so that a failover cannot lose it.
    const durable = await client.awaitDurable({ durability: Durability.QUORUM, timeoutMs: 20_000 });
    expect(durable.durabilityReached).toBe(Durability.QUORUM);

    (await leaderOf(cluster, 'g1')).kill('SIGKILL');
    // Straight to the nodes: no call fails, and each is carried out once.
    const increments = await Promise.all(keys.map((key) => client.increment(key)));
    expect(increments.map(({ value }) => value)).toEqual(keys.map(() => 1n));
    await eventually(async () => keys.every((key) => seen.includes(key)), 'the watch tells all groups');
    // Named, so that a machine that is too busy for a failover within 10 s may ask again.
    const named = ['a', 'b', 'c', 'd', 'e', 'f'].map((key, i) => ({
      increment: { key, delta: '1', clientId: '7', sequence: String(i + 1) },
    }));
    let sums: string[] = [];
    await eventually(async () => {
      const { body: again } = await gateway.call('KVStore/Batch', { operations: named });
      sums = again.results.map((one: { increment?: { value: string } }) => one.increment?.value);
      return sums.every((sum) => sum !== undefined);
    }, 'another master leads');
    expect(sums).toEqual(named.map(() => '2'));

    gateway.kill('SIGTERM');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    cluster.coordinator.kill('SIGTERM');
    await cluster.coordinator.ended;
    expect((await client.increment('n0')).value).toBe(2n);
    await client.close();
    await watched;
    const second = await processes.start({ binary: 'gateway', sets });
    await eventually(
      async () => (await second.get('/readyz')).status === 200,
      'it serves by the map it kept',
    );
    const read = await second.call('KVStore/Batch', {
      operations: [{ get: { key: 'a' } }, { get: { key: 'b' } }],
    });
    expect(read.body.results.map((one: { get: { value: string } }) => one.get.value)).toEqual([
      text('2'),
      text('2'),
    ]);
  }, 60_000);

  it('says what a process is that is no coordinator', async () => {
    const plain = await processes.start({ binary: 'master' });
    await eventually(async () => (await plain.get('/readyz')).status === 200, 'the node is ready');
    const gateway = await processes.start({
      binary: 'gateway',
      sets: [`gateway.coordinators=${plain.address}`],
    });
    await eventually(
      async () => (await gateway.get('/readyz?verbose')).text.includes('it is no coordinator'),
      'it names what is wrong',
    );
    const { status, body } = await gateway.call('KVStore/Get', { key: 'k' });
    expect([status, body.code]).toEqual([503, 'unavailable']);
    expect(body.message).toContain('there is no map of the cluster yet');
  });

  it('names itself to the collector of its metrics as server.advertise does', async () => {
    const collector = createServer();
    const exported = new Promise<string>((resolve) => {
      collector.on('request', (request, answer) => {
        let body = '';
        request.setEncoding('latin1').on('data', (text) => (body += text));
        request.on('end', () => answer.end(() => resolve(body)));
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const { port } = collector.address() as AddressInfo;
    await processes.start({
      binary: 'gateway',
      sets: [
        'server.advertise=gw-1.example.net:8000',
        'gateway.coordinators=127.0.0.1:1',
        `metrics.otlp.endpoint=http://127.0.0.1:${port}`,
        'metrics.otlp.interval=1s',
      ],
    });
    expect(await exported).toContain('gw-1.example.net:8000');
    collector.close();
    collector.closeAllConnections();
  }, 60_000);
});
