/** What a replica acked counts only as long as its log is known to hold it. */
import { describe, expect, it } from 'vitest';
import type { RegisterRequest } from '#model/replication.ts';
import { collectEngines } from '#test/doubles/engines.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const engines = collectEngines();

/** How many replicas count for a record that one had acked, after it came back with what `changes` says. */
async function countedAfter(changes: (tail: RegisterRequest['tail']) => Partial<RegisterRequest>) {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  const { position, replicasAcked } = await group.set(master, 'a', '1', { minAcks: 1, timeoutMs: 1_000 });
  expect(replicasAcked).toBe(1);
  const { nodeId, logId } = one.node.status();
  group.kill(one);
  await group.clock.advance(2_000);
  const tail = engines[0]?.log.tail;
  if (tail === undefined) throw new Error('no engine');
  const answer = await group.until(
    master.node.register(
      {
        nodeId,
        incarnation: 'again',
        advertise: 'one:1',
        logId,
        tail,
        upstreamPath: [nodeId],
        applyDelayMs: 0,
        term: 1,
        ...changes(tail),
      },
      '10.0.0.9',
    ),
  );
  const counted = await group.until(
    master.node.awaitDurable({ position, durability: 'local', minAcks: 1, timeoutMs: 100 }),
  );
  return { verdict: answer.verdict.kind, replicasAcked: counted.replicasAcked };
}

describe('the acks of a replica that registers again', () => {
  it('count on where its log goes on from what it had', async () => {
    expect(await countedAfter(() => ({}))).toEqual({ verdict: 'continue', replicasAcked: 1 });
  });

  it('are forgotten where its history is another one', async () => {
    const other = await countedAfter((tail) => ({ tail: { ...tail, crc: tail.crc ^ 1 } }));
    expect(other).toEqual({ verdict: 'conflict', replicasAcked: 0 });
  });

  it('are forgotten where it is to have a snapshot', async () => {
    const other = await countedAfter(() => ({ fullResyncReason: 'its state is not what its log says' }));
    expect(other).toEqual({ verdict: 'snapshot', replicasAcked: 0 });
  });
});
