/** When entries were modified: what nodes answer, before and after restarts and snapshots. */
import { describe, expect, it } from 'vitest';
import type { AtomicBatchCommand, BatchOperation, BatchResult } from '#model/commands.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { incrementOf, touchOf, ttl } from '#test/engine/rig.ts';

async function modified({ group, from }: { group: TestGroup; from: TestNode }, key: string) {
  const answer = await group.until(Promise.resolve(from.node.get({ key, waitMs: 0, withModified: true })));
  return answer.entry?.modifiedMs;
}

const secondOf = (group: TestGroup): number => Math.floor(group.clock.wallMs() / 1_000) * 1_000;
const get = (key: string): BatchOperation => ({
  kind: 'get',
  command: { key, waitMs: 0, withModified: true },
});
const set = (key: string): BatchOperation => ({ kind: 'set', command: setCommand(key, 'x') });
const timesIn = (results: readonly (BatchResult | undefined)[]): unknown[] =>
  results.flatMap((one) => (one?.kind === 'get' ? [one.answer.entry?.modifiedMs] : []));

/** Writes `old`, then an hour later `new`, and a minute later touches `old`. */
async function written(group: TestGroup, master: TestNode) {
  const oldMs = secondOf(group);
  await group.set(master, 'old', 'x');
  await group.clock.advance(3_600_000);
  const newMs = secondOf(group);
  await group.set(master, 'new', 'x');
  await group.clock.advance(60_000);
  return { oldMs, newMs };
}

describe('modified_ms', () => {
  it('is the second of the write, the same on master and replica, and only where it is asked for', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('one');
    const { oldMs, newMs } = await written(group, master);
    await group.until(master.node.touch(touchOf('old', ttl(60_000_000))));
    await group.untilLevel([master, replica]);
    for (const from of [master, replica]) {
      expect(await modified({ group, from }, 'old')).toBe(oldMs);
      expect(await modified({ group, from }, 'new')).toBe(newMs);
      expect(await modified({ group, from }, 'nothing')).toBeUndefined();
      const plain = await from.node.get({ key: 'old', waitMs: 0 });
      expect(plain.entry).not.toHaveProperty('modifiedMs');
      const page = { prefix: '', cursor: '', limit: 0, keysOnly: true };
      const { entries } = from.node.scan({ ...page, withModified: true });
      expect(new Map(entries.map(({ key, modifiedMs }) => [key, modifiedMs]))).toEqual(
        new Map([
          ['old', oldMs],
          ['new', newMs],
        ]),
      );
      expect(from.node.scan(page).entries[0]).not.toHaveProperty('modifiedMs');
      const explained = await group.until(
        from.node.explain({ key: 'old', changes: 0 }, new AbortController().signal),
      );
      expect(explained.entry?.modifiedMs).toBe(oldMs);
    }
  });

  it('is there for what a batch has just written, atomic or not', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { oldMs } = await written(group, master);
    const nowMs = secondOf(group);
    const plain = await group.until(master.node.batch([set('a'), get('a'), get('old')]));
    expect(timesIn(plain)).toEqual([nowMs, oldMs]);
    const options = { answerBytesMax: 1_000, minAcks: 0, timeoutMs: 0 };
    const atomic = (operations: BatchOperation[]): AtomicBatchCommand => ({ operations, ...options });
    const both = await group.until(master.node.atomicBatch(atomic([set('b'), get('b'), get('old')])));
    expect(timesIn(both.results)).toEqual([nowMs, oldMs]);
    const reads = await group.until(master.node.atomicBatch(atomic([get('b'), get('nothing')])));
    expect(timesIn(reads.results)).toEqual([nowMs, undefined]);
    await group.until(master.node.increment(incrementOf('n')));
    expect(await modified({ group, from: master }, 'n')).toBe(secondOf(group));
  });

  it('survives snapshots of format version 2, and from version 1 is that of the snapshot', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { oldMs, newMs } = await written(group, master);
    const snapshotMs = secondOf(group);
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    expect(await modified({ group, from: again }, 'old')).toBe(snapshotMs);
    // A touch takes the directory to level 1.
    await group.until(again.node.touch(touchOf('old', ttl(60_000_000))));
    const laterMs = secondOf(group);
    await group.set(again, 'later', 'x');
    await group.clock.advance(60_000);
    await group.until(again.node.checkpoint());
    const third = await group.master({ fileSystem: await group.stop(again) });
    expect(await modified({ group, from: third }, 'later')).toBe(laterMs);
    expect(await modified({ group, from: third }, 'new')).toBe(snapshotMs);
    expect(oldMs).toBeLessThan(newMs);
  });

  it('comes with a full resync', async () => {
    const group = new TestGroup();
    const small = { retentionBytes: 0, maxFileBytes: 4_096 };
    const first = await group.master(small);
    await group.set(first, 'first', 'x');
    await group.until(first.node.touch(touchOf('first', ttl(60_000_000))));
    const { oldMs, newMs } = await written(group, first);
    for (let i = 0; i < 30; i++) await group.set(first, `k${i}`, 'x'.repeat(500));
    await group.until(first.node.checkpoint());
    // The records before the snapshot are neither in files nor in memory.
    const master = await group.master({ fileSystem: await group.stop(first), ...small });
    const replica = await group.replica('one');
    await group.untilLevel([master, replica]);
    expect(master.node.status().replicas).toMatchObject([{ fullResyncs: 1 }]);
    const oldSeen = (await modified({ group, from: replica }, 'old')) as number;
    expect(oldSeen).toBeGreaterThanOrEqual(oldMs);
    expect(oldSeen - oldMs).toBeLessThan(3_700_000 / 128);
    expect(await modified({ group, from: replica }, 'new')).toBe(newMs);
  });
});
