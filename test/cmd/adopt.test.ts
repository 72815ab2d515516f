/** The steps of docs/cluster.md by which a plain group becomes the first group of a cluster, with real processes. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { runCli } from '#test/cli/memory-io.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { eventually, type RealNode, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

const value = async (node: RealNode, key: string): Promise<unknown> =>
  (await node.call('KVStore/Get', { key })).body.value;

it('a plain group grows into a cluster without a copy of its data', { timeout: 90_000 }, async () => {
  const names = ['a', 'b'];
  const ports = [await freePort(), await freePort()];
  const directories = [await nodes.directory(), await nodes.directory()];
  const setsOf = (i: number): string[] => [
    `wal.directory=${directories[i]}`,
    `server.advertise=127.0.0.1:${ports[i]}`,
  ];
  const start = (i: number, binary: 'master' | 'slave' | 'node', more: string[]): Promise<RealNode> =>
    nodes.start({ binary, port: ports[i] as number, sets: [...setsOf(i), ...more] });
  const master = await start(0, 'master', []);
  await master.ready();
  const replica = await start(1, 'slave', [`master.address=127.0.0.1:${ports[0]}`]);
  await replica.ready();
  expect((await master.call('KVStore/Set', { key: 'k', value: 'djE=' })).status).toBe(200);

  // Step 1.
  const file = join(await nodes.directory(), 'metadata.db');
  const coordinator = await nodes.start({
    binary: 'coordinator',
    sets: [`coordinator.metadata.file=${file}`],
  });
  await coordinator.ready();
  const adopting = (i: number): string[] => [
    `cluster.node=${names[i]}`,
    `cluster.coordinators=${coordinator.address}`,
    'cluster.adopt=true',
  ];
  const walnut = (...line: string[]) => runCli(['cluster', ...line, '--coordinators', coordinator.address]);
  // Step 2.
  replica.kill('SIGTERM');
  await replica.ended;
  const b = await start(1, 'node', adopting(1));
  expect((await master.call('KVStore/Set', { key: 'between', value: 'djI=' })).status).toBe(200);
  await eventually(async () => (await value(b, 'between')) === 'djI=', 'the replica follows as a member');
  // Step 3.
  const { body: before } = await master.call('Admin/Status');
  master.kill('SIGTERM');
  await master.ended;
  const a = await start(0, 'node', adopting(0));
  await eventually(async () => (await value(a, 'between')) === 'djI=', 'the master has its data');
  expect((await a.call('KVStore/Set', { key: 'early', value: 'dg==' })).status).not.toBe(200);
  // Step 4.
  await eventually(async () => {
    const { code, err } = await walnut('init', '--group', 'g1=a,b');
    if (code !== 0 && !err.includes('is not heard')) throw new Error(err);
    return code === 0;
  }, 'init takes both');
  const { body: after } = await a.call('Admin/Status');
  // Terms are left out, since a log that is adopted may be that of a backup.
  expect(after).toMatchObject({ role: 'ROLE_MASTER', logId: before.logId, term: before.term + 513 });
  const request = { key: 'after', value: 'djM=', durability: 'DURABILITY_QUORUM' };
  const { body: written } = await a.call('KVStore/Set', request);
  expect(written.durabilityReached).toBe('DURABILITY_QUORUM');
  for (const [key, expected] of Object.entries({ k: 'djE=', between: 'djI=', after: 'djM=' }))
    await eventually(async () => (await value(b, key)) === expected, `${key} is on the replica`);
  expect((await walnut('map')).out).toContain('0-16383');
  const compared = await runCli(['digest', '--compare', '--address', a.address]);
  expect(compared).toMatchObject({ code: 0, err: '' });
});
