/** Tails that were set aside: what is listed and read of them, by slices, after more than one, and when files go. */
import { describe, expect, it } from 'vitest';
import { listDiverged, readDiverged } from '#engine/diverged.ts';
import type { DivergedTail } from '#model/diverged.ts';
import { type Lsn, toLsn } from '#model/position.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { tryDecodeManifest } from '#wal/manifest.ts';

/** A replica that followed an old master for `lost` records more than the new one had. */
async function parted(lost: number) {
  const group = new TestGroup(lost);
  const master = await group.master();
  const one = await group.replica('one');
  const two = await group.replica('two', { maxFileBytes: 4_096 });
  for (let i = 0; i < 30; i++) await group.set(master, `k${i}`, 'shared');
  await group.untilLevel([master, one, two]);
  group.network.cut('master:1', 'one:1');
  group.network.cut('one:1', 'master:1');
  for (let i = 0; i < lost; i++) await group.set(master, `lost${i}`, 'v'.repeat(50 + i));
  await group.untilLevel([master, two]);
  group.kill(master);
  await group.until(one.node.promote(true));
  await group.untilLevel([one, two]);
  return { group, one, two };
}

function manifestOf({ fileSystem }: TestNode) {
  const manifest = tryDecodeManifest(fileSystem.content('/data/MANIFEST'));
  if (typeof manifest === 'string') throw new Error(manifest);
  return manifest;
}

async function writeText(fileSystem: FileSystem, path: string): Promise<void> {
  const file = await fileSystem.open(path, 'create');
  await file.write(Buffer.from('x'), 0);
  await file.close();
}

async function readAll(one: TestNode, tail: DivergedTail, bytesMax: number): Promise<string[]> {
  const keys: string[] = [];
  let afterLsn: Lsn = toLsn(0);
  for (;;) {
    const slice = await readDiverged(one.fileSystem, '/data', tail, { afterLsn, bytesMax });
    expect(slice.damage).toBe('');
    keys.push(...slice.updates.map(({ key }) => key));
    if (slice.isEnd) return keys;
    expect(slice.lastLsn).toBeGreaterThan(afterLsn);
    afterLsn = slice.lastLsn;
  }
}

describe('a tail that was set aside', () => {
  it.each([1, 7, 120])('of %d records is read whole, in slices of any size', async (lost) => {
    const { two } = await parted(lost);
    const [tail, ...more] = await listDiverged(two.fileSystem, '/data', manifestOf(two));
    expect(more).toEqual([]);
    expect(tail).toMatchObject({ id: 1, upstream: 'one:1', reason: expect.stringMatching(/the replica/) });
    const expected = Array.from({ length: lost }, (_, i) => `lost${i}`);
    expect((tail?.last.lsn ?? 0) - (tail?.fromLsn ?? 0) + 1).toBe(lost);
    for (const bytesMax of [1, 300, 1 << 20])
      expect(await readAll(two, tail as DivergedTail, bytesMax)).toEqual(expected);
  });

  it('is listed beside files and folders in aside/ that are not the node’s', async () => {
    const { two } = await parted(1);
    const listed = await listDiverged(two.fileSystem, '/data', manifestOf(two));
    for (const name of ['notes.txt', '7']) await writeText(two.fileSystem, `/data/aside/${name}`);
    await two.fileSystem.makeDirectory('/data/aside/old');
    await writeText(two.fileSystem, '/data/aside/old/0000000001-00000000000000000001.wal');
    expect(await listDiverged(two.fileSystem, '/data', manifestOf(two))).toEqual(listed);
  });

  it('is damaged, or removed by hand, and says so', async () => {
    const { two } = await parted(5);
    const [tail] = await listDiverged(two.fileSystem, '/data', manifestOf(two));
    const path = `/data/${tail?.files.at(-1)}`;
    const bytes = Uint8Array.from(two.fileSystem.content(path));
    bytes.fill(0xff, bytes.length - 40);
    two.fileSystem.put(path, bytes);
    const range = { afterLsn: toLsn(0), bytesMax: 1 << 20 };
    const damaged = await readDiverged(two.fileSystem, '/data', tail as DivergedTail, range);
    expect(damaged.isEnd).toBe(true);
    expect(damaged.updates.length).toBeLessThan(5);
    for (const file of tail?.files ?? []) await two.fileSystem.remove(`/data/${file}`);
    expect(await listDiverged(two.fileSystem, '/data', manifestOf(two))).toMatchObject([
      { files: [], bytes: 0 },
    ]);
    const gone = await readDiverged(two.fileSystem, '/data', tail as DivergedTail, range);
    expect(gone).toMatchObject({
      updates: [],
      isEnd: true,
      damage: expect.stringMatching(/not there any more/),
    });
  });

  it('is one of several, told apart by number, also what an operator discards', async () => {
    const { group, one, two } = await parted(3);
    await group.stop(one);
    const other = await group.start('one', 'master');
    await group.set(other, 'foreign', 'log');
    await group.untilTrue(() => two.node.status().state === 'quarantined', 'quarantined');
    await group.until(two.node.quarantineRelease('discard_local'));
    await group.untilLevel([other, two]);
    const tails = await listDiverged(two.fileSystem, '/data', manifestOf(two));
    expect(tails.map(({ id, fromLsn, reason }) => [id, fromLsn > 1, reason.slice(0, 9)])).toEqual([
      [1, true, expect.any(String)],
      [2, false, 'discarded'],
    ]);
    expect(await readAll(two, tails[0] as DivergedTail, 1)).toEqual(['lost0', 'lost1', 'lost2']);
    expect((await readAll(two, tails[1] as DivergedTail, 1 << 20)).slice(0, 2)).toEqual(['k0', 'k1']);
  });
});
