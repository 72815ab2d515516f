/** What a Batch says of its operations, and a single call of itself, when the time of its caller is nearly over. */
import { expect, it } from 'vitest';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import { errorsOf, inCallersTime, inTime } from '#routing/in-time.ts';
import { FakeCluster, incrementOf } from '#test/routing/fake-cluster.ts';

const [OF_G1, OF_G2] = ['bar', 'foo'];
const incrementsOf = (...keys: string[]): BatchOperation[] =>
  keys.map((key) => ({ kind: 'increment', command: incrementOf(key) }));

/** The results of a Batch whose caller has 3 s. */
async function lateResults(
  cluster: FakeCluster,
  operations: readonly BatchOperation[],
): Promise<BatchResult[] | WalnutError> {
  const early = new AbortController();
  const done = cluster.keys.batch(operations, early.signal);
  cluster.clock.after(3_000, () =>
    early.abort(new WalnutError('deadline_exceeded', 'the time of the caller is nearly over')),
  );
  return cluster.settled(done);
}

it('never says that nothing was done of a write that was sent', async () => {
  const cluster = new FakeCluster(['g1', 'g2']);
  let attempts = 0;
  // The position is learned; the write is done and its answer lost; the repeat is forgotten; what then asks hangs.
  cluster.fate = (_, key) =>
    key === OF_G1 ? ((['answer', 'lost', 'forgotten'] as const)[attempts++] ?? 'hung') : 'answer';
  const results = (await lateResults(cluster, incrementsOf(OF_G1, OF_G2))) as BatchResult[];
  expect(cluster.group('g1').sums.get(OF_G1)).toBe(1n);
  expect(results).toMatchObject([
    { kind: 'error', error: { code: 'deadline_exceeded' } },
    { kind: 'increment', answer: { value: 1n } },
  ]);
  expect(results[0]).not.toMatchObject({ error: { details: { nothingDone: true } } });
});

it('says that nothing was done of a write that was never sent', async () => {
  const cluster = new FakeCluster(['g1', 'g2']);
  // What learns the position hangs.
  cluster.fate = (_, key) => (key === OF_G1 ? 'hung' : 'answer');
  expect(await lateResults(cluster, incrementsOf(OF_G1, OF_G2))).toMatchObject([
    { kind: 'error', error: { code: 'deadline_exceeded', details: { nothingDone: true } } },
    { kind: 'increment' },
  ]);
});

it('leaves work that does not end with the time of its caller', async () => {
  const cluster = new FakeCluster(['g1']);
  const late = AbortSignal.abort(new WalnutError('deadline_exceeded', 'nearly over'));
  expect(await cluster.settled(inTime(new Promise(() => {}), late, cluster.clock))).toBe(false);
});

it('says of an unknown outcome once, and to writes only', async () => {
  const late = new WalnutError('unavailable', 'g1-1:1: no answer; its outcome is unknown');
  const caller = AbortSignal.abort(new WalnutError('deadline_exceeded', 'nearly over'));
  const error = inCallersTime(late, caller) as WalnutError;
  const get: BatchOperation = { kind: 'get', command: { key: OF_G1, waitMs: 0 } };
  const said = 'the group did not answer in the time of the caller: g1-1:1: no answer';
  expect(errorsOf([get, ...incrementsOf(OF_G1)], error)).toMatchObject([
    { error: { message: said, details: { nothingDone: true } } },
    { error: { message: `${said}; its outcome is unknown` } },
  ]);
});

it.each([
  // A group whose position is not known yet is asked for that first.
  ['that was never sent', 0, 'dead', true],
  ['that nodes refused', 1, 'dead', true],
  ['that a node may have done', 1, 'hung', false],
] as const)('says of a single write %s whether nothing was done', async (_, before, fate, isNothingDone) => {
  const cluster = new FakeCluster(['g1']);
  for (let i = 0; i < before; i++) await cluster.settled(cluster.keys.increment(incrementOf(OF_G1)));
  cluster.fate = () => fate;
  const early = new AbortController();
  const startedMs = cluster.clock.monotonicMs();
  const end = (): void =>
    early.abort(new WalnutError('deadline_exceeded', 'the time of the caller is nearly over'));
  cluster.clock.after(3_000, end);
  const done = cluster.keys.increment(incrementOf(OF_G1), early.signal);
  const error = (await cluster.settled(done)) as WalnutError;
  expect([error.code, error.details.nothingDone === true]).toEqual(['deadline_exceeded', isNothingDone]);
  expect(cluster.clock.monotonicMs() - startedMs).toBeLessThan(3_100);
});
