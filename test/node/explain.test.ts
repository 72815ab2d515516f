/** What nodes say of a key that is there, is not, or is not yet. */
import { describe, expect, it } from 'vitest';
import { summarize } from '#model/explain.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

function explain(group: TestGroup, { node }: TestNode, key: string, changes = 0) {
  return group.until(node.explain({ key, changes }, new AbortController().signal));
}

async function oneNode(changes = {}) {
  const group = new TestGroup();
  const master = await group.master(changes);
  return { group, master };
}

describe('explain', () => {
  it('says of an entry what it is and how often it was written', async () => {
    const { group, master } = await oneNode();
    for (const value of ['1', '22', '333']) await group.set(master, 'a', value);
    await group.clock.advance(1_500);
    const answer = await explain(group, master, 'a', 2);
    expect(answer).toMatchObject({ sets: 3, deletes: 0, isComplete: true, waitingChanges: 0, lagRecords: 0 });
    expect(answer.entry).toMatchObject({ valueBytes: 3, memoryBytes: 84, expireAtMs: 0, isExpired: false });
    expect(answer.changes.map(({ version, value }) => [version.lsn, value.length])).toEqual([
      [master.node.status().position.lsn - 1, 0],
      [master.node.status().position.lsn, 0],
    ]);
    expect(summarize(answer)).toMatch(
      /^present: 3 bytes, written by record \d+-\d+ at \d{4}-.*, never expires$/,
    );
  });

  it('says when an entry was last accessed, and counts its content type', async () => {
    const { group, master } = await oneNode();
    // The next look is at most a second away.
    const second = (): number => Math.floor(group.clock.wallMs() / 1_000) * 1_000 + 1_000;
    const accessed = async (key: string) => (await explain(group, master, key)).entry?.accessedMs;
    await group.set(master, 'read', 'x', { contentType: 'text/plain' });
    await group.set(master, 'written', 'x');
    const writtenMs = second();
    await group.clock.advance(60_000);
    await group.until(Promise.resolve(master.node.get({ key: 'read', waitMs: 0 })));
    const readMs = second();
    await group.clock.advance(30_000);
    expect([await accessed('read'), await accessed('written')]).toEqual([readMs, writtenMs]);
    expect((await explain(group, master, 'read')).entry?.memoryBytes).toBe(4 + 1 + 10 + 80);
    await group.clock.advance(1_000);
    const again = await group.master({ fileSystem: await group.stop(master) });
    const startedMs = second() - 1_000;
    await group.clock.advance(60_000);
    expect((await explain(group, again, 'read')).entry?.accessedMs).toBe(startedMs);
  });

  it('says what became of one that is not there', async () => {
    const { group, master } = await oneNode({ limits: { entriesMax: 2, bytesMax: 0, policy: 'lru' } });
    await group.set(master, 'deleted', 'x');
    await group.delete(master, 'deleted');
    await group.set(master, 'expired', 'x', { expiry: { kind: 'ttl', ttlMs: 100 } });
    await group.clock.advance(3_000);
    for (const key of ['evicted', 'b', 'c']) await group.set(master, key, 'x');
    await group.clock.advance(1_500);
    const say = async (key: string): Promise<string> => summarize(await explain(group, master, key));
    expect(await say('deleted')).toContain('missing: deleted by a client at ');
    expect(await say('expired')).toContain('missing: expired at ');
    expect(await say('evicted')).toContain('missing: evicted to make room');
    expect(await say('nothing')).toBe('missing: it was never here');
  });

  it('says that an entry has expired which is not deleted yet', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', 'x', { expiry: { kind: 'ttl', ttlMs: 5 } });
    await group.clock.advance(6);
    const answer = await master.node.explain({ key: 'a', changes: 0 }, new AbortController().signal);
    expect(answer.entry).toMatchObject({ isExpired: true });
    expect(summarize(answer)).toContain('expired at ');
  });

  it('says how far back the log goes', async () => {
    const { group, master } = await oneNode({ retentionBytes: 0, maxFileBytes: 4_096 });
    await group.set(master, 'old', 'x');
    for (let i = 0; i < 30; i++) await group.set(master, `k${i}`, 'x'.repeat(500));
    await group.until(master.node.checkpoint());
    const again = await group.master({ fileSystem: await group.stop(master), retentionBytes: 0 });
    await group.clock.advance(1_500);
    const answer = await explain(group, again, 'nothing');
    expect(answer.searchedFrom.lsn).toBe(again.node.status().earliestLsn);
    expect(summarize(answer)).toContain('missing: the log, which begins at record');
    expect(await explain(group, again, 'old')).toMatchObject({ sets: 0, entry: { valueBytes: 1 } });
  });

  it('finds the newest change of many blocks, and counts them all', async () => {
    const { group, master } = await oneNode({ retentionBytes: 1 << 30, maxFileBytes: 1 << 20 });
    for (let i = 0; i < 300; i++) await master.node.set(setCommand(i % 100 === 0 ? 'rare' : `k${i}`, 'x'));
    for (let i = 0; i < 5; i++) {
      const sets = Array.from({ length: 300 }, (_, k) => ({
        kind: 'set' as const,
        command: setCommand(`b${k}`, 'y'.repeat(900)),
      }));
      await group.until(master.node.batch(sets));
    }
    await group.clock.advance(1_500);
    const answer = await explain(group, master, 'rare');
    expect(answer).toMatchObject({ sets: 3, isComplete: true });
    expect(answer.changes.map(({ version }) => version.lsn)).toEqual(
      [...answer.changes.map(({ version }) => version.lsn)].sort((a, b) => a - b),
    );
  });

  it('says on a delayed replica what waits there', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const late = await group.replica('late', { applyDelayMs: 60_000 });
    await group.untilTrue(() => late.node.status().upstream?.isLinked === true, 'linked');
    await group.clock.advance(61_000);
    await group.set(master, 'a', '1');
    await group.set(master, 'a', '2');
    await group.clock.advance(5_000);
    const answer = await explain(group, late, 'a');
    expect(answer).toMatchObject({ entry: undefined, waitingChanges: 2, sets: 0 });
    expect(summarize(answer)).toContain('2 changes of it are in the log here and not visible yet');
    const one = { ...answer, waitingChanges: 1, lagRecords: 1 };
    expect(summarize(one)).toMatch(/; 1 change of it is in the log .*; this replica is 1 record behind/);
    const entry = { ...(await explain(group, master, 'a')), lagRecords: 0 };
    expect(summarize(entry)).toMatch(/^present: 1 byte, written/);
  });

  it('lets two search at once, and one that leaves its turn is cancelled', async () => {
    const { group, master } = await oneNode();
    await group.set(master, 'a', '1');
    const aborter = new AbortController();
    const all = Array.from({ length: 6 }, () =>
      master.node.explain({ key: 'a', changes: 0 }, new AbortController().signal),
    );
    const left = master.node.explain({ key: 'a', changes: 0 }, aborter.signal);
    aborter.abort();
    await expect(group.until(left)).rejects.toMatchObject({ code: 'cancelled' });
    expect((await group.until(Promise.all(all))).map(({ sets }) => sets)).toEqual(Array(6).fill(1));
  });
});
