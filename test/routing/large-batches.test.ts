/** Large Batches over several groups: slices in order, of which none is sent behind one that failed. */
import { expect, it } from 'vitest';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { SliceQueue } from '#platform/slice-queue.ts';
import { createKeysViews } from '#server/keys-views.ts';
import { FakeCluster, incrementOf } from '#test/routing/fake-cluster.ts';

const [OF_G1, OF_G2] = ['bar', 'foo'];
/** Enough reads for three slices. */
const READS = 600;
const readOf = (key: string): BatchOperation => ({ kind: 'get', command: { key, waitMs: 0 } });
const incrementAt = (key: string): BatchOperation => ({ kind: 'increment', command: incrementOf(key) });
const readsOf = (key: string): BatchOperation[] => Array.from({ length: READS }, () => readOf(key));
/** The keys by turns. */
const MIXED = Array.from({ length: 2 * READS }, (_, i) => readOf(i % 2 === 0 ? OF_G1 : OF_G2));
const LIMITS = { callsMax: 100, bytesMax: 10_000_000 };

function codesOf(results: readonly BatchResult[]): string[] {
  return results.map((result) => (result.kind === 'error' ? result.error.code : result.kind));
}

it('have the results of the groups that answer when one does not answer for 10 s', async () => {
  const cluster = new FakeCluster(['g1', 'g2'], LIMITS);
  cluster.fate = (address) => (address.startsWith('g1') ? 'hung' : 'answer');
  const startedMs = cluster.clock.monotonicMs();
  const results = (await cluster.settled(cluster.keys.batch(MIXED))) as BatchResult[];
  expect(cluster.clock.monotonicMs() - startedMs).toBeLessThan(10_500);
  expect(codesOf(results)).toEqual(MIXED.map((_, i) => (i % 2 === 0 ? 'unavailable' : 'get')));
});

it.each([
  ['nobody is known and nothing is wished', undefined],
  ['the caller has a session', { seen: [] }],
  ['the caller is a user', { user: 'u' }],
])('have them where %s', async (_, wish) => {
  const cluster = new FakeCluster(['g1', 'g2'], LIMITS);
  cluster.fate = (address) => (address.startsWith('g1') ? 'hung' : 'answer');
  const views = createKeysViews(cluster.keys, cluster.clock, new SliceQueue(cluster.clock));
  const { batch } = views({ keys: undefined, wish, tellPositions: () => undefined });
  const startedMs = cluster.clock.monotonicMs();
  const results = (await cluster.settled(batch(MIXED))) as BatchResult[];
  expect(cluster.clock.monotonicMs() - startedMs).toBeLessThan(10_500);
  expect(codesOf(results)).toEqual(MIXED.map((_op, i) => (i % 2 === 0 ? 'unavailable' : 'get')));
});

it('send no slice once the time of a call is over', async () => {
  const cluster = new FakeCluster(['g1'], LIMITS);
  const { keys, clock } = cluster;
  let slices = 0;
  cluster.result = () => undefined;
  const answer = clock.yield.bind(clock);
  // Each slice after the first is sent 8 s after the one before.
  clock.yield = () => (++slices > 0 ? clock.sleep(8_000) : answer());
  const results = (await cluster.settled(
    keys.batch([...readsOf(OF_G1), ...readsOf(OF_G1)]),
  )) as BatchResult[];
  expect(codesOf(results).slice(0, 255)).toEqual(
    readsOf(OF_G1)
      .slice(0, 255)
      .map(() => 'get'),
  );
  expect(results.at(-1)).toMatchObject({
    error: { code: 'deadline_exceeded', details: { nothingDone: true } },
  });
  expect(clock.monotonicMs()).toBeLessThan(25_000);
});

it('have them shortly before the deadline of the caller, too', async () => {
  const cluster = new FakeCluster(['g1', 'g2'], LIMITS);
  cluster.fate = (address) => (address.startsWith('g1') ? 'hung' : 'answer');
  const early = new AbortController();
  const done = cluster.keys.batch(MIXED, early.signal);
  cluster.clock.after(3_000, () =>
    early.abort(new WalnutError('deadline_exceeded', 'the time of the caller is nearly over')),
  );
  const results = (await cluster.settled(done)) as BatchResult[];
  expect(codesOf(results)).toEqual(MIXED.map((_, i) => (i % 2 === 0 ? 'deadline_exceeded' : 'get')));
});

it('say that nothing was done of what stands behind a slice that failed', async () => {
  const cluster = new FakeCluster(['g1', 'g2'], LIMITS);
  const operations = [...readsOf(OF_G1), incrementAt(OF_G1), incrementAt(OF_G2)];
  let slices = 0;
  cluster.fate = (address) => (address.startsWith('g1') && ++slices > 1 ? 'hung' : 'answer');
  const results = (await cluster.settled(cluster.keys.batch(operations))) as BatchResult[];
  expect(codesOf(results).slice(0, 200)).toEqual(Array.from({ length: 200 }, () => 'get'));
  expect(results[READS]).toMatchObject({
    kind: 'error',
    error: { code: 'unavailable', details: { nothingDone: true } },
  });
  expect(results[READS + 1]).toMatchObject({ kind: 'increment', answer: { value: 1n } });
  expect(cluster.group('g1').sums.size).toBe(0);
});

it('of one group are refused as a whole where their first slice is, and are in order else', async () => {
  const cluster = new FakeCluster(['g1'], LIMITS);
  const operations = [incrementAt(OF_G1), ...readsOf(OF_G1), incrementAt(OF_G1)];
  const results = (await cluster.settled(cluster.keys.batch(operations))) as BatchResult[];
  expect([results[0], results[READS + 1]]).toMatchObject([
    { answer: { value: 1n } },
    { answer: { value: 2n } },
  ]);
  cluster.fate = () => 'dead';
  expect(await cluster.settled(cluster.keys.batch(operations))).toMatchObject({ code: 'unavailable' });
});

it('send one slice in a turn, whatever groups they are for', async () => {
  const cluster = new FakeCluster(['g1', 'g2'], LIMITS);
  let yields = 0;
  const { clock } = cluster;
  const original = clock.yield.bind(clock);
  clock.yield = () => {
    yields++;
    return original();
  };
  await cluster.settled(cluster.keys.batch(MIXED));
  expect(yields).toBeGreaterThanOrEqual(6);
  yields = 0;
  await cluster.settled(cluster.keys.batch(MIXED.slice(0, 100)));
  expect(yields).toBe(0);
});
