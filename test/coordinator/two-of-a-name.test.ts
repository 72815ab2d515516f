/** A second node under the name of a voter, as a copied configuration makes it. */
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Heartbeat } from '#cluster/heartbeat.ts';
import { heartbeatOf } from '#test/doubles/heartbeat.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

let cluster: SimulatedCluster;
let sequence: number;

beforeEach(async () => {
  cluster = new SimulatedCluster(7);
  await cluster.begin(1);
  await cluster.clock.advance(4_000);
  sequence = 0;
});

afterEach(() => {
  expect(cluster.wrongs).toEqual([]);
});

const coordinator = () => (cluster.active ?? expect.unreachable('nobody is active')).coordinator;
const heard = (): Heartbeat | undefined => coordinator().observations.get('a')?.heartbeat;
const alarms = (): string[] => coordinator().alarms.map(({ why }) => why);
const stranger = (): Promise<unknown> =>
  coordinator().heartbeat(
    heartbeatOf('a', { incarnation: 9, process: 'x', sequence: ++sequence, address: 'x:1' }),
  );

const TOLD =
  'two nodes have the name a: a:1 (incarnation 1, which is the member) and x:1 (incarnation 9): stop the one that is wrong, ' +
  'or give it a cluster.node of its own';

it('does not hide the member, and one alarm names both for as long as both are heard', async () => {
  const seen = new Set<string>();
  for (let beat = 0; beat < 30; beat++) {
    await stranger();
    expect(heard()).toMatchObject({ incarnation: 1, role: 'master', whyNoWrites: '' });
    await cluster.clock.advance(300);
    seen.add(alarms().join());
    if (beat > 2) expect(alarms()).toEqual([TOLD]);
  }
  expect([...seen].filter((text) => text !== '')).toEqual([TOLD]);
  expect(cluster.master?.term).toBe(1);
  await cluster.clock.advance(2_000);
  expect(alarms()).toEqual([]);
});

it('is no alarm where it takes the place of a member that is gone, and is heard once that is silent', async () => {
  cluster.member('a').kill();
  for (let beat = 0; beat < 10; beat++) {
    await stranger();
    await cluster.clock.advance(300);
    expect(alarms().filter((why) => why.includes('two nodes'))).toEqual([]);
    if (beat < 4) expect(heard()?.incarnation).toBe(1);
  }
  expect(heard()?.incarnation).toBe(9);
  await cluster.advanceUntil(() => cluster.master?.term === 2, 5_000);
});
