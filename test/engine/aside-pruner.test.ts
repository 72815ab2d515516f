/** What was set aside is bounded; diverged records that nobody has read are never deleted. */
import { describe, expect, it } from 'vitest';
import {
  AsidePruner,
  type AsideState,
  choosePrunable,
  isUnseen,
  type JudgedFolder,
  noteSeen,
  rememberTail,
} from '#engine/aside-pruner.ts';
import type { DivergedTail } from '#model/diverged.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { DIR, MANIFEST, openInitialised } from '#test/wal/harness.ts';
import type { Manifest } from '#wal/manifest.ts';

const folder = (number: number, bytes: number, changes: Partial<JudgedFolder> = {}): JudgedFolder => ({
  number,
  bytes,
  files: ['x'],
  modifiedMs: number * 1_000,
  isProtected: false,
  isShared: false,
  ...changes,
});

const tailOf = (id: number, segments: [number, number], seenMs?: number): DivergedTail => ({
  id,
  segments,
  fromLsn: toLsn(1),
  last: { epoch: 1, lsn: 2 as Lsn },
  reason: 'why',
  sinceMs: 0,
  upstream: 'a:1',
  ...(seenMs === undefined ? {} : { seenMs }),
});

describe('the rule', () => {
  const all = [folder(1, 50), folder(2, 30), folder(3, 20)];
  const chosen = (folders: readonly JudgedFolder[], bytesMax: number, ageMaxMs = Infinity): number[] =>
    choosePrunable(folders, { bytesMax, ageMaxMs }, 5_000).map(({ number }) => number);

  it.each([
    [100, []],
    [99, [1]],
    [50, [1]],
    [49, [1, 2]],
    [0, [1, 2]],
  ])('of %i bytes lets go of the oldest first, for its size never of the newest', (bytesMax, gone) => {
    expect(chosen(all, bytesMax)).toEqual(gone);
  });

  it.each([
    [4_000, []],
    [3_999, [1]],
    [2_000, [1, 2]],
    [1_999, [1, 2, 3]],
  ])('of %i ms lets go of what is older, the newest included', (ageMaxMs, gone) => {
    expect(chosen(all, 1_000, ageMaxMs)).toEqual(gone);
  });

  it('counts and deletes nothing that is protected', () => {
    const folders = [folder(1, 1_000, { isProtected: true }), folder(2, 30), folder(3, 20)];
    expect(chosen(folders, 50, 1)).toEqual([2, 3]);
    expect(chosen(folders, 50)).toEqual([]);
    expect(chosen(folders, 0)).toEqual([2]);
  });
});

describe('diverged tails', () => {
  const manifest: Manifest = { ...MANIFEST, diverged: [tailOf(1, [3, 4], 77), tailOf(2, [6, 8])] };

  it('protect their segments until they are seen, also when they are not listed any more', () => {
    const unseen = (of: Manifest) => [2, 3, 4, 6, 8, 9].filter((seq) => isUnseen(of, seq));
    expect(unseen(manifest)).toEqual([6, 8]);
    expect(unseen({ ...manifest, keepsAsideTo: 3 })).toEqual([2, 3, 6, 8]);
  });

  it('are forgotten the seen ones first, and the files of others are kept for good', () => {
    const third = rememberTail(manifest, tailOf(3, [10, 11]), 2);
    expect(third.diverged?.map(({ id }) => id)).toEqual([2, 3]);
    expect(third.keepsAsideTo).toBeUndefined();
    const fourth = rememberTail({ ...manifest, ...third }, tailOf(4, [12, 12]), 2);
    expect(fourth.diverged?.map(({ id }) => id)).toEqual([3, 4]);
    expect(fourth.keepsAsideTo).toBe(8);
  });
});

describe('a node’s aside/', () => {
  it('tells within seconds of a tail that was set aside, and that somebody has seen it', async () => {
    const disk = new MemoryFileSystem();
    const clock = new VirtualClock();
    const directory = await openInitialised(disk);
    disk.put(
      `${DIR}/${await directory.makeAsideFolder()}/0000000007-00000000000000000001.wal`,
      Buffer.alloc(9),
    );
    const unseen: number[] = [];
    const pruner = new AsidePruner({
      ...{ directory, clock, logger: silentLogger, rule: { bytesMax: Infinity, ageMaxMs: Infinity } },
      onState: ({ unseenTails }) => unseen.push(unseenTails),
    });
    pruner.start();
    await clock.settle();
    await directory.update((current) => ({ ...MANIFEST, ...current, diverged: [tailOf(1, [7, 7])] }));
    await clock.advance(2_000);
    await noteSeen(directory, 1, 5);
    await clock.advance(2_000);
    expect(unseen).toEqual([0, 1, 0]);
    await clock.advance(50_000);
    expect(unseen).toHaveLength(3);
    await pruner.stop();
  });

  it('is looked through again where a tail was set aside during a look', async () => {
    const disk = new MemoryFileSystem();
    const clock = new VirtualClock();
    const directory = await openInitialised(disk);
    const put = async (seq: number): Promise<void> => {
      const name = `000000000${seq}-00000000000000000001.wal`;
      disk.put(`${DIR}/${await directory.makeAsideFolder()}/${name}`, Buffer.alloc(9));
    };
    await put(2);
    await put(3);
    const remove = disk.remove.bind(disk);
    disk.remove = async (path) => {
      await remove(path);
      await put(7);
      await directory.update((current) => ({ ...MANIFEST, ...current, diverged: [tailOf(1, [7, 7])] }));
    };
    const unseen: number[] = [];
    const pruner = new AsidePruner({
      ...{ directory, clock, logger: silentLogger, rule: { bytesMax: 10, ageMaxMs: Infinity } },
      onState: ({ unseenTails }) => unseen.push(unseenTails),
    });
    pruner.start();
    await clock.settle();
    await clock.advance(4_000);
    expect(unseen).toEqual([0, 1]);
    await pruner.stop();
  });

  it('is looked through every minute, and what goes is gone with its folder', async () => {
    const disk = new MemoryFileSystem();
    const clock = new VirtualClock();
    const directory = await openInitialised(disk);
    const put = async (name: string): Promise<void> => {
      disk.put(`${await aside()}/${name}`, Buffer.alloc(100));
    };
    const aside = async (): Promise<string> => `${DIR}/${await directory.makeAsideFolder()}`;
    await put('0000000007-00000000000000000001.wal');
    await put('0000000002-00000000000000000001.wal.from-96');
    await directory.update((current) => ({ ...MANIFEST, ...current, diverged: [tailOf(1, [7, 7])] }));
    const states: AsideState[] = [];
    const rule = { bytesMax: 100, ageMaxMs: Infinity };
    const pruner = new AsidePruner({
      directory,
      clock,
      logger: silentLogger,
      rule,
      onState: (state) => states.push(state),
    });
    pruner.start();
    await clock.settle();
    expect(states).toEqual([{ bytes: 200, protectedBytes: 100, unseenTails: 1 }]);
    await put('0000000009-00000000000000000009.wal');
    await clock.advance(60_000);
    expect((await disk.readDirectory(`${DIR}/aside`)).sort()).toEqual(['1', '3']);
    expect(states.at(-1)).toEqual({ bytes: 200, protectedBytes: 100, unseenTails: 1 });
    disk.fail({ call: 'readDirectory', code: 'EMFILE', path: /aside/, times: 1 });
    await clock.advance(60_000);
    await put('0000000011-00000000000000000009.wal');
    await clock.advance(60_000);
    expect((await disk.readDirectory(`${DIR}/aside`)).sort()).toEqual(['1', '4']);
    await pruner.stop();
  });

  it('loses only what a node sets aside: files of others stay, with their folder', async () => {
    const disk = new MemoryFileSystem();
    const directory = await openInitialised(disk);
    const aside = `${DIR}/aside`;
    const segment = '0000000002-00000000000000000001.wal';
    const kept = [
      `${aside}/1/notes.txt`,
      `${aside}/2/${segment}/inside`,
      `${aside}/1e1/${segment}`,
      `${aside}/5`,
    ];
    const gone = [`${aside}/1/${segment}`, `${aside}/2/${segment}.from-96`, `${aside}/3/${segment}`];
    for (const path of [...kept, ...gone]) disk.put(path, Buffer.alloc(10));
    const rule = { bytesMax: 0, ageMaxMs: 0 };
    const parts = { directory, clock: new VirtualClock(), logger: silentLogger, rule };
    for (let i = 0; i < 2; i++) await new AsidePruner(parts).look();
    expect(disk.paths(aside)).toEqual([...kept].sort());
    expect((await disk.readDirectory(aside)).sort()).toEqual(['1', '1e1', '2', '5']);
  });

  it('keeps a diverged tail until an operator has called it seen', async () => {
    const group = new TestGroup(3);
    const rule = { asideBytesMax: 0, asideAgeMaxMs: 0 };
    const master = await group.master();
    const one = await group.replica('one');
    const two = await group.replica('two', rule);
    await group.set(master, 'a', 'shared');
    await group.untilLevel([master, one, two]);
    group.network.cut('master:1', 'one:1');
    group.network.cut('one:1', 'master:1');
    for (let i = 0; i < 9; i++) await group.set(master, `lost${i}`, 'v');
    await group.untilLevel([master, two]);
    group.kill(master);
    await group.until(one.node.promote(true));
    await group.untilLevel([one, two]);
    await group.clock.advance(180_000);
    const shown = await two.node.divergedShow(1, toLsn(0), 1 << 20);
    expect(shown).toMatchObject({ isEnd: true, damage: '' });
    await group.clock.advance(180_000);
    expect((await two.node.divergedList())[0]?.files.length).toBeGreaterThan(0);
    await expect(group.until(two.node.divergedSeen(2))).rejects.toMatchObject({ code: 'not_found' });
    await group.until(two.node.divergedSeen(1));
    await group.until(two.node.divergedSeen(1));
    await group.clock.advance(180_000);
    expect((await two.node.divergedList())[0]?.files).toEqual([]);
  });
});
