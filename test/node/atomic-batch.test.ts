/** Atomic batches on nodes of a group: what a master and a replica answer, and to whom. */
import { describe, expect, it } from 'vitest';
import type { AtomicBatchCommand, BatchOperation, GetCommand } from '#model/commands.ts';
import { makeEpoch, termOf, toLsn } from '#model/position.ts';
import { deleteOf, setOf } from '#test/engine/rig.ts';
import { threeNodes } from '#test/node/three-nodes.ts';

const set = (...args: Parameters<typeof setOf>): BatchOperation => ({ kind: 'set', command: setOf(...args) });
const get = (key: string, changes: Partial<GetCommand> = {}): BatchOperation => ({
  kind: 'get',
  command: { key, waitMs: 0, ...changes },
});

function batch(operations: BatchOperation[], changes: Partial<AtomicBatchCommand> = {}): AtomicBatchCommand {
  return { operations, answerBytesMax: 10_000, minAcks: 0, timeoutMs: 0, ...changes };
}

describe('an atomic batch of a group', () => {
  it('is on every replica as one record', async () => {
    const { group, master, one, two } = await threeNodes();
    const made = await group.until(
      master.node.atomicBatch(
        batch([set('k0', 'x'), { kind: 'delete', command: deleteOf('k1') }, get('k0')], {
          minAcks: 2,
          timeoutMs: 5_000,
        }),
      ),
    );
    expect(made).toMatchObject({ isCommitted: true, replicasAcked: 2, durabilityReached: 'local' });
    await group.untilLevel([master, one, two]);
    const reads = await group.until(one.node.atomicBatch(batch([get('k0'), get('k1'), get('k2')])));
    expect(reads.position.lsn).toBeGreaterThanOrEqual(made.position.lsn);
    expect(reads.results).toMatchObject([
      { answer: { entry: { key: 'k0', version: made.position } } },
      { answer: { entry: undefined } },
      { answer: { entry: { key: 'k2' } } },
    ]);
  });

  it('with a write is refused on a replica, with the hint', async () => {
    const { one } = await threeNodes();
    await expect(one.node.atomicBatch(batch([get('k0'), set('k0', 'x')]))).rejects.toMatchObject({
      code: 'not_master',
      details: { leaderHint: 'master:1' },
    });
  });

  it('of Gets alone waits for the positions that they name, then reads all of them in one state', async () => {
    const { group, master, one } = await threeNodes();
    const { position } = await group.set(master, 'k0', 'new');
    const atLeast = { atLeast: position, waitMs: 5_000 };
    const read = await group.until(one.node.atomicBatch(batch([get('k1'), get('k0', atLeast)])));
    const moments = read.results.map((one) => (one?.kind === 'get' ? one.answer.asOf : undefined));
    expect(moments).toEqual([read.position, read.position]);
    expect(read.position.lsn).toBeGreaterThanOrEqual(position.lsn);
    await expect(
      group.until(one.node.atomicBatch(batch([get('k0')], { minAcks: 1, timeoutMs: 100 }))),
    ).rejects.toMatchObject({ code: 'not_master' });
  });

  it('names the Get whose position is not here, and one of a discarded history', async () => {
    const { group, master, one } = await threeNodes();
    const { epoch, lsn } = master.node.status().position;
    const ahead = { atLeast: { epoch, lsn: toLsn(lsn + 9) } };
    const gone = { atLeast: { epoch: makeEpoch(termOf(epoch), 12_345), lsn: toLsn(1) } };
    await expect(
      group.until(one.node.atomicBatch(batch([get('k0'), get('k1', ahead)]))),
    ).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('operations[1]: position'),
    });
    for (const bad of [ahead, gone])
      await expect(
        group.until(master.node.atomicBatch(batch([set('k0', 'x'), get('k1', bad)]))),
      ).rejects.toMatchObject({
        code: 'discarded_history',
        message: expect.stringContaining('operations[1]'),
      });
    expect(master.node.status().position).toEqual({ epoch, lsn });
  });
});
