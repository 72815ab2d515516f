import { describe, expect, it } from 'vitest';
import type { BatchOperation, Condition } from '#model/commands.ts';
import type { Position } from '#model/position.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const OPTIONS = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };
const at = (version: Position): Condition => ({ kind: 'version', version });

function setBack(key: string, value: string, condition: Condition, expireAtMs = 0): BatchOperation {
  const expiry = { kind: 'at', expireAtMs } as const;
  return { kind: 'set', command: { key, value: Buffer.from(value), expiry, condition, ...OPTIONS } };
}

function remove(key: string, condition: Condition): BatchOperation {
  return { kind: 'delete', command: { key, condition, ...OPTIONS } };
}

async function lastUpdates(group: TestGroup, node: TestNode, after: Position) {
  const command = { after, format: 'entries', bytesMax: 0 } as const;
  const { updates } = await group.until(node.node.getUpdates(command));
  return updates.map(({ op, cause, key }) => `${op} ${key} ${cause}`);
}

describe('a restore of entries', () => {
  it('goes through the log with its own cause, and reaches the replicas', async () => {
    const group = new TestGroup(41);
    const master = await group.master();
    const replica = await group.replica('replica');
    const kept = await group.set(master, 'kept', 'now');
    const gone = await group.set(master, 'gone', 'now');
    const operations = [
      setBack('kept', 'then', at(kept.position)),
      remove('gone', at(gone.position)),
      setBack('missing', 'then', { kind: 'absent' }),
    ];
    const results = await group.until(master.node.restore(operations));
    expect(
      results.map((result) => result.kind !== 'error' && result.kind !== 'get' && result.answer.applied),
    ).toEqual([true, true, true]);
    await group.untilLevel([master, replica]);
    for (const node of [master, replica]) {
      expect(await group.get(node, 'kept')).toBe('then');
      expect(await group.get(node, 'gone')).toBeUndefined();
      expect(await group.get(node, 'missing')).toBe('then');
    }
    await group.until(group.clock.sleep(2_000));
    expect(await lastUpdates(group, master, gone.position)).toEqual([
      'set kept restored',
      'delete gone restored',
      'set missing restored',
    ]);
    // Positions handed out before stay valid: the history only grew.
    expect(await group.get(master, 'kept', { atLeast: gone.position })).toBe('then');
  });

  it('changes nothing where the key is not as it was seen', async () => {
    const group = new TestGroup(42);
    const master = await group.master();
    const seen = await group.set(master, 'a', 'seen');
    const newer = await group.set(master, 'a', 'newer');
    const results = await group.until(
      master.node.restore([
        setBack('a', 'old', at(seen.position)),
        setBack('a', 'old', { kind: 'absent' }),
        remove('a', at(seen.position)),
        remove('never', at(seen.position)),
      ]),
    );
    const seenNow = results.map((result) =>
      result.kind === 'set' || result.kind === 'delete'
        ? [result.answer.applied, result.answer.current?.version.lsn]
        : result.kind,
    );
    const { lsn } = newer.position;
    expect(seenNow).toEqual([
      [false, lsn],
      [false, lsn],
      [false, lsn],
      [false, undefined],
    ]);
    expect(await group.get(master, 'a')).toBe('newer');
  });

  it('does not bring back what has expired since', async () => {
    const group = new TestGroup(43);
    const master = await group.master();
    const seen = await group.set(master, 'a', 'now');
    await group.until(master.node.restore([setBack('a', 'old', at(seen.position), 1)]));
    expect(await group.get(master, 'a')).toBeUndefined();
  });

  it('is refused on a replica', async () => {
    const group = new TestGroup(44);
    await group.master();
    const replica = await group.replica('replica');
    const restore = replica.node.restore([setBack('a', 'b', { kind: 'absent' })]);
    await expect(group.until(restore)).rejects.toMatchObject({ code: 'not_master' });
  });
});
