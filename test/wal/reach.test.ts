/** MANIFEST says how far the log reaches: what is missing of it is missed, however whole the rest looks. */
import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { cutLog } from '#wal/cut-log.ts';
import { parseSegmentName } from '#wal/file-names.ts';
import { demandOf, whyShort, withReach } from '#wal/log-reach.ts';
import type { Manifest } from '#wal/manifest.ts';
import { SEGMENT_HEADER_BYTES } from '#wal/segment-format.ts';
import { appendAll, close, DIR, MANIFEST, numbered, open, openInitialised } from './harness.ts';

const SMALL = { maxFileBytes: 420 };

async function segmentsIn(disk: MemoryFileSystem): Promise<string[]> {
  return (await disk.readDirectory(DIR)).filter((name) => parseSegmentName(name) !== undefined).sort();
}

/** Twelve records in several segments, closed in order; or the process ended without a word. */
async function written(end: 'stopped' | 'killed'): Promise<MemoryFileSystem> {
  const disk = new MemoryFileSystem();
  const opened = await open(disk, SMALL);
  await appendAll(opened.log, numbered(12));
  if (end === 'killed') return disk.kill();
  await close(opened);
  return disk;
}

async function cutTo(disk: MemoryFileSystem, name: string, bytes: number): Promise<void> {
  const file = await disk.open(`${DIR}/${name}`, 'write');
  await file.truncate(bytes);
  await file.close();
}

const LOSSES: readonly [string, (disk: MemoryFileSystem, names: readonly string[]) => Promise<void>][] = [
  ['the newest segment', (disk, names) => disk.remove(`${DIR}/${names.at(-1)}`)],
  [
    'the two newest segments',
    async (disk, names) => {
      for (const name of names.slice(-2)) await disk.remove(`${DIR}/${name}`);
    },
  ],
  [
    'every segment',
    async (disk, names) => {
      for (const name of names) await disk.remove(`${DIR}/${name}`);
    },
  ],
];

describe('a log that lost', () => {
  it.each(
    LOSSES.flatMap(([what, lose]) => (['stopped', 'killed'] as const).map((end) => ({ what, end, lose }))),
  )('$what after it was $end is refused, and the missing file is named', async ({ end, lose }) => {
    const disk = await written(end);
    const names = await segmentsIn(disk);
    expect(names.length).toBeGreaterThan(2);
    await lose(disk, names);
    const before = disk.callCount;
    await expect(open(disk, SMALL)).rejects.toMatchObject({
      kind: 'corrupt',
      place: { file: `${DIR}/${names.at(-1)}`, why: expect.stringContaining('this segment is missing') },
    });
    expect(disk.callCount - before).toBeLessThan(8);
  });

  it.each([0, SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES + 90])(
    'its end from byte %i of the newest segment on, after a clean stop, is refused',
    async (bytes) => {
      const disk = await written('stopped');
      const newest = (await segmentsIn(disk)).at(-1) as string;
      await cutTo(disk, newest, bytes);
      await expect(open(disk, SMALL)).rejects.toMatchObject({ kind: 'corrupt' });
    },
  );

  it.each([0, SEGMENT_HEADER_BYTES - 1])(
    'its newest segment to a cut at byte %i, killed, is refused: MANIFEST knows that a header was there',
    async (bytes) => {
      const disk = await written('killed');
      const newest = (await segmentsIn(disk)).at(-1) as string;
      await cutTo(disk, newest, bytes);
      await expect(open(disk, SMALL)).rejects.toMatchObject({
        kind: 'corrupt',
        place: { file: `${DIR}/${newest}`, why: expect.stringContaining(`cut to ${bytes} bytes`) },
      });
    },
  );

  it('only its clean mark starts, and lost nothing', async () => {
    const disk = await written('stopped');
    const newest = (await segmentsIn(disk)).at(-1) as string;
    const { sizeBytes } = (await disk.stat(`${DIR}/${newest}`)) as { sizeBytes: number };
    await cutTo(disk, newest, sizeBytes - 28);
    const opened = await open(disk, SMALL);
    expect(opened.wasClean).toBe(false);
    expect(opened.log.tail.lsn).toBe(12);
  });

  it('a record of the last batch to a flipped bit is refused after a clean stop, mark or not', async () => {
    const disk = await written('stopped');
    const newest = (await segmentsIn(disk)).at(-1) as string;
    await cutTo(
      disk,
      newest,
      ((await disk.stat(`${DIR}/${newest}`)) as { sizeBytes: number }).sizeBytes - 28,
    );
    const file = await disk.open(`${DIR}/${newest}`, 'write');
    const { sizeBytes } = await file.stat();
    await file.write(Buffer.from([0xff]), sizeBytes - 1);
    await file.close();
    await expect(open(disk, SMALL)).rejects.toMatchObject({
      kind: 'corrupt',
      message: expect.stringContaining('MANIFEST shows that LSN 12 had been durable'),
    });
  });
});

describe('what MANIFEST says of the log', () => {
  it('is the newest segment before anything is in it, and where a clean stop ended it', async () => {
    const disk = new MemoryFileSystem();
    const opened = await open(disk, SMALL);
    expect(opened.directory.manifest?.reaches).toEqual({ segment: (await segmentsIn(disk))[0], lsn: 0 });
    await appendAll(opened.log, numbered(12));
    const newest = (await segmentsIn(disk)).at(-1) as string;
    const firstLsn = parseSegmentName(newest)?.firstLsn as number;
    expect(opened.directory.manifest?.reaches).toEqual({ segment: newest, lsn: firstLsn - 1 });
    await close(opened);
    expect(opened.directory.manifest?.reaches).toEqual({ segment: newest, lsn: 12 });
  });

  it('goes along with every other change, and costs a batch nothing', async () => {
    const { log, directory, fileSystem } = await open(new MemoryFileSystem());
    await appendAll(log, numbered(1));
    const before = (fileSystem as MemoryFileSystem).callCount;
    await appendAll(log, ['next']);
    expect((fileSystem as MemoryFileSystem).callCount - before).toBe(2);
    await directory.update((manifest) => ({ ...MANIFEST, ...manifest, term: 2 }));
    expect(directory.manifest?.reaches?.lsn).toBe(2);
  });

  it('is noted at the start of a directory that an older program wrote', async () => {
    const disk = await written('stopped');
    const directory = await openInitialised(disk);
    await directory.commit({ ...MANIFEST });
    await directory.close();
    const opened = await open(disk, SMALL);
    expect(opened.log.tail.lsn).toBe(12);
    expect(opened.directory.manifest?.reaches?.segment).toBe((await segmentsIn(disk)).at(-1));
  });

  it('follows a cut, also of a log whose newest segment is missing', async () => {
    const disk = await written('stopped');
    const names = await segmentsIn(disk);
    const { frames, ...opened } = await open(disk, SMALL);
    await close({ frames, ...opened });
    await disk.remove(`${DIR}/${names.at(-1)}`);
    const directory = await openInitialised(disk);
    const point = frames[3] as { lsn: Lsn; crc: number; epoch: number };
    await cutLog(directory, point);
    await directory.close();
    const again = await open(disk, SMALL);
    expect(again.log.tail.lsn).toBe(4);
    // The number of the missing file is not used again, and the file counts no more should it come back.
    expect(parseSegmentName((await segmentsIn(disk)).at(-1) as string)?.seq).toBeGreaterThan(names.length);
  });

  it('keeps a start going that ends anywhere while it creates its first segment anew', async () => {
    const disk = await written('stopped');
    const names = await segmentsIn(disk);
    const opened = await open(disk, SMALL);
    await opened.log.rotate();
    const stub = (await segmentsIn(disk)).at(-1) as string;
    expect(names).not.toContain(stub);
    const killed = disk.kill();
    for (let call = 1; call < 30; call++) {
      const one = killed.crash(call);
      one.crashAtCall = call;
      await open(one, SMALL).catch(() => undefined);
      const again = await open(one.crash(call * 7), SMALL);
      expect(again.log.tail.lsn).toBe(12);
    }
  });
});

describe('the demand', () => {
  const segment = '0000000007-00000000000000000050.wal';
  const manifest: Manifest = { ...MANIFEST, reaches: { segment, lsn: 60 } };

  it('is none where MANIFEST says nothing or excludes the segment', () => {
    expect(demandOf(MANIFEST)).toBeUndefined();
    expect(demandOf({ ...manifest, lowestSegment: 8 })).toBeUndefined();
    expect(demandOf({ ...manifest, excludedSegments: [[6, 7]] })).toBeUndefined();
    expect(demandOf({ ...manifest, excludedSegments: [[6, 6]] })).toEqual({ segment, seq: 7, lsn: 60 });
  });

  it.each([
    [[6, 7], 60, undefined],
    [[7], 61, undefined],
    [[6, 7], 59, /the log ends at LSN 59, but MANIFEST knows that LSN 60 was durable/],
    [[6], 49, /this segment is missing: what is left ends at LSN 49, and MANIFEST knows that LSN 60/],
    [[6], 70, /this segment is missing: MANIFEST knows that it was there/],
    [[], 0, /this segment is missing/],
  ] as const)('of segment 7 and LSN 60, with %j up to LSN %i', (seqs, endLsn, why) => {
    const said = whyShort(demandOf(manifest), { seqs, endLsn, newestBytes: 200 });
    if (why === undefined) expect(said).toBeUndefined();
    else expect(said).toMatch(why);
  });

  it('only grows, and goes with what is excluded', () => {
    const reachOf = (found: Manifest['reaches'], of = manifest) => withReach(of, found).reaches;
    const later = '0000000008-00000000000000000061.wal';
    expect(reachOf(undefined)).toEqual({ segment, lsn: 60 });
    expect(reachOf({ segment, lsn: 55 })).toEqual({ segment, lsn: 60 });
    expect(reachOf({ segment, lsn: 65 })).toEqual({ segment, lsn: 65 });
    expect(reachOf({ segment: later, lsn: 60 })).toEqual({ segment: later, lsn: 60 });
    expect(reachOf(undefined, { ...manifest, lowestSegment: 8 })).toBeUndefined();
    expect('reaches' in withReach({ ...manifest, lowestSegment: 8 }, undefined)).toBe(false);
  });
});
