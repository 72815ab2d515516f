/** The short form of `npm run test:torture -- --only stampede`: clients of one process, on real connections. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { connect } from '../../client/connect.ts';
import { callAtOnce } from './stampede.ts';

let directory = '';
let master: RunningMaster;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'walnut-stampede-'));
  master = await RunningMaster.start(directory);
});
afterAll(async () => {
  await master.stop();
  await rm(directory, { recursive: true });
});

it('of all callers that miss a key one fills it, and all have the value', async () => {
  const clients = await Promise.all([1, 2].map(() => callAtOnce(master.address, 'page', 300)));
  expect(clients.map(({ served }) => served)).toEqual([300, 300]);
  expect(clients.reduce((sum, { fillers }) => sum + fillers, 0)).toBe(1);
  expect(master.node.status().fill).toMatchObject({ granted: 1, written: 1, waiters: 0 });
});

it('a filler that a Delete overtook stores nothing, and one that waited fills anew', async () => {
  const walnut = connect({ address: master.address });
  const wish = { fillLeaseMs: 20_000, waitMs: 20_000 };
  const slow = await walnut.get('user', wish);
  const waiting = walnut.get('user', wish);
  await expect.poll(() => master.node.status().fill?.waiters).toBe(1);
  await walnut.delete('user');
  const next = (await waiting).fillLease;
  const fill = (token: string | undefined, text: string) =>
    walnut.set('user', Buffer.from(text), { condition: { case: 'ifFillLease', value: token ?? '' } });
  expect((await fill(slow.fillLease?.token, 'stale')).applied).toBe(false);
  expect((await fill(next?.token, 'fresh')).applied).toBe(true);
  expect(master.contents('user')).toEqual({ user: 'fresh' });
  await walnut.close();
});
