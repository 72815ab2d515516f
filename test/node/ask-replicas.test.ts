import { describe, expect, it } from 'vitest';
import { makeEpoch, toLsn } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { TERM_JUMP_MAX } from '#model/terms.ts';
import { judge } from '#node/ask-replicas.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const own = { nodeId: 'me', logId: 'L', position: { epoch: makeEpoch(3, 7), lsn: toLsn(100) }, term: 3 };

describe('judge', () => {
  const rows: [string, string, number, number, number, RegExp | undefined][] = [
    ['level', 'L', 3, 7, 100, undefined],
    ['behind', 'L', 3, 7, 50, undefined],
    ['behind, of another nonce', 'L', 3, 9, 50, undefined],
    ['behind, of a lower term', 'L', 2, 7, 50, undefined],
    ['ahead', 'L', 3, 7, 101, /ahead of this master's .*-100/],
    // A tail that a promotion left behind.
    ['ahead, of a lower term', 'L', 2, 7, 101, undefined],
    ['of a higher term, behind', 'L', 4, 1, 10, /higher term/],
    ['of a term that nobody can believe', 'L', 3 + TERM_JUMP_MAX + 1, 1, 10, undefined],
    ['of another log, ahead', 'M', 9, 7, 999, undefined],
    ['fresh', '', 0, 0, 0, undefined],
  ];
  it.each(rows)('%s', (_name, logId, term, nonce, lsn, reason) => {
    const position = { epoch: makeEpoch(term, nonce), lsn: toLsn(lsn) };
    const status = { nodeId: 'r', logId, term, position, durableLsn: position.lsn } as NodeStatus;
    const objection = judge('r:1', status, own);
    if (reason === undefined) expect(objection).toBeUndefined();
    else expect(objection).toMatch(reason);
  });
});

describe('a starting master', () => {
  it('does not wait for replicas that are gone longer than 3 seconds', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    const disk = await group.stop(master);
    group.network.stall('master:1', 'one:1');
    const before = group.clock.monotonicMs();
    const again = await group.master({ fileSystem: disk });
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(3_100);
    expect(again.node.status().state).toBe('serving');
  });

  it('asks those of its configuration, too', async () => {
    const group = new TestGroup();
    const alone = await group.master();
    await group.set(alone, 'a', '1');
    const disk = await group.stop(alone);
    const copy = new MemoryFileSystem();
    for (const path of disk.paths()) copy.put(path, disk.content(path));
    const master = await group.master({ fileSystem: disk });
    const one = await group.replica('one');
    await group.set(master, 'a', '2');
    await group.untilLevel([master, one]);
    await group.stop(master);
    // The old copy has never heard of the replica.
    const back = await group.master({ fileSystem: copy, replicas: ['gone:1', 'one:1'] });
    expect(back.node.status().state).toBe('fenced');
    expect(back.node.status().reasons.join()).toMatch(/one:1 is at .*, ahead/);
  });
});
