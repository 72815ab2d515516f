import { expect, it } from 'vitest';
import type { WalnutError } from '#model/errors.ts';
import { setCommand, TestGroup } from '#test/doubles/test-group.ts';

it('a write that still waits for replicas when its master is deposed is not acknowledged, and does not wait on', async () => {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  const cutMs = group.clock.monotonicMs();
  group.network.cut('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
  const waiting = Promise.resolve(
    master.node.set(setCommand('lost', 'x', { durability: 'local', minAcks: 1, timeoutMs: 30_000 })),
  );
  const outcome = waiting.then(
    () => 'acknowledged',
    (error: { code: string }) => error.code,
  );
  await group.clock.advance(100);
  await group.until(one.node.promote(true));
  group.network.heal();
  await group.untilTrue(() => master.node.status().role === 'replica', 'the old master follows');
  await group.untilLevel([master, one]);
  expect(await group.get(master, 'lost')).toBeUndefined();
  expect(await group.until(outcome)).toBe('unavailable');
  expect(group.clock.monotonicMs() - cutMs).toBeLessThan(10_000);
});

it('a write that still waits for replicas when its master hands over is answered with what it reached', async () => {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.untilLevel([master, one]);
  const waiting = Promise.resolve(
    master.node.set(setCommand('kept', 'x', { durability: 'local', minAcks: 2, timeoutMs: 5_000 })),
  );
  await group.clock.advance(50);
  await group.until(master.node.failover('one:1', 2_000));
  const handedOverMs = group.clock.monotonicMs();
  const { applied, replicasAcked } = await group.until(waiting);
  expect(group.clock.monotonicMs() - handedOverMs).toBeLessThan(100);
  expect({ applied, replicasAcked }).toEqual({ applied: true, replicasAcked: 1 });
  await group.untilLevel([master, one]);
  expect(await group.get(one, 'kept')).toBe('x');
});

it('a Batch that still waits for replicas when its master is deposed is not said to be undone', async () => {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.untilLevel([master, one]);
  group.network.cut('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
  const asked = { durability: 'local', minAcks: 1, timeoutMs: 30_000 } as const;
  const operations = [{ kind: 'set', command: setCommand('lost', 'x', asked) }] as const;
  const told = ({ code, details }: WalnutError) => ({ code, isUndone: details.nothingDone === true });
  const waiting = group
    .until(master.node.batch(operations))
    .then(([result]) => (result?.kind === 'error' ? told(result.error) : result), told);
  const atOnce = group
    .until(master.node.atomicBatch({ operations, ...asked, answerBytesMax: 1_000_000 }))
    .then((answer) => answer, told);
  await group.clock.advance(100);
  await group.until(one.node.promote(true));
  group.network.heal();
  await group.untilTrue(() => master.node.status().role === 'replica', 'the old master follows');
  expect(await waiting).toEqual({ code: 'unavailable', isUndone: false });
  expect(await atOnce).toEqual({ code: 'unavailable', isUndone: false });
});
