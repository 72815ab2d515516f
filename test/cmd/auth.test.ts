/** Two real nodes that serve nobody without a credential, from `walnut auth init` to a failover. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { runCli } from '#test/cli/memory-io.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { eventually, RealNodes } from './real-node.ts';

const nodes = new RealNodes();
afterEach(() => nodes.end());

it('a group with tokens replicates, serves its users, fails over, and forgets who is removed', async () => {
  const secrets = await nodes.directory();
  expect((await runCli(['auth', 'init', join(secrets, 'auth')])).code).toBe(0);
  const file = (name: string): string => join(secrets, 'auth', name);
  const ports = [await freePort(), await freePort()] as const;
  const [one, other] = ports.map((port) => `127.0.0.1:${port}`) as [string, string];
  const sets = [
    'auth.mode=required',
    `auth.file=${file('auth.yaml')}`,
    `peer.token_file=${file('replica.token')}`,
  ];
  const master = await nodes.start({ port: ports[0], sets: [...sets, `replication.replicas=${other}`] });
  const replica = await nodes.start({
    binary: 'slave',
    port: ports[1],
    sets: [...sets, `replication.replicas=${one}`, `master.address=${one}`, 'master.sync_interval=100ms'],
  });
  await Promise.all([master.ready(), replica.ready()]);

  const walnut = (...args: string[]) => runCli([...args, '--token-file', file('operator.token')]);
  expect(await walnut('set', 'k', 'v', '--min-acks', '1', '--address', one)).toMatchObject({ code: 0 });
  expect(await walnut('get', 'k', '--address', other)).toMatchObject({ code: 0, out: 'v' });
  const refused = await runCli(['get', 'k', '--address', other]);
  expect([refused.code, refused.err]).toEqual([
    5,
    expect.stringMatching(/UNAUTHENTICATED.*--token-file FILE/s),
  ]);

  // The hint of a replica is somebody's word: the token does not follow it.
  const followed = await walnut('set', 'k', 'w', '--address', other);
  expect([followed.code, followed.err]).toEqual([5, expect.stringContaining('UNAUTHENTICATED')]);

  const metrics = async (): Promise<number> => {
    const authorization = `Bearer ${(await readFile(file('metrics.token'), 'utf8')).trim()}`;
    return (await fetch(`http://${one}/metrics`, { headers: { authorization } })).status;
  };
  expect([
    await metrics(),
    (await master.get('/metrics')).status,
    (await master.get('/livez')).status,
  ]).toEqual([200, 401, 200]);

  expect(await walnut('failover', '--to', other, '--address', one)).toMatchObject({ code: 0 });
  expect(
    await walnut('set', 'k', 'x', '--min-acks', '1', '--timeout', '20s', '--address', other),
  ).toMatchObject({ code: 0 });

  const text = await readFile(file('auth.yaml'), 'utf8');
  await writeFile(file('auth.yaml'), text.slice(0, text.indexOf('  - name: metrics')));
  await eventually(async () => (await metrics()) === 401, 'the reader of metrics is out');
  expect(await walnut('get', 'k', '--address', one)).toMatchObject({ code: 0, out: 'x' });
}, 60_000);
