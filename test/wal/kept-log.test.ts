/** What is kept, deleted, verified, cut and set aside. */
import { describe, expect, it } from 'vitest';
import type { ChainPoint } from '#model/replication.ts';
import { silentLogger } from '#platform/logger.ts';
import { asideFilesOf } from '#test/doubles/aside-files.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { cutLog } from '#wal/cut-log.ts';
import type { Frame } from '#wal/frame.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import {
  appendAll,
  close,
  DIR,
  frameAfter,
  MANIFEST,
  numbered,
  open,
  openInitialised,
  payloadsOf,
} from './harness.ts';

function pointOf(frame: Frame | undefined): ChainPoint {
  const { epoch, lsn, crc } = frame as Frame;
  return { epoch, lsn, crc };
}

function segmentsIn(fileSystem: MemoryFileSystem): string[] {
  return fileSystem.paths(DIR).filter((path) => /^\/data\/wal\/[^/]*\.wal$/.test(path));
}

async function filled(options: Parameters<typeof open>[1] = {}) {
  const fileSystem = new MemoryFileSystem();
  const opened = await open(fileSystem, { maxFileBytes: 400, ...options });
  const frames = await appendAll(opened.log, numbered(30));
  return { ...opened, fileSystem, frames };
}

describe('compaction', () => {
  it('deletes what the snapshot covers, and the log goes on from there', async () => {
    const { log, fileSystem, frames } = await filled();
    const before = log.segmentCount;
    const deleted = await log.compact(15);
    expect(deleted).toBeGreaterThan(2);
    expect(log.segmentCount).toBe(before - deleted);
    expect(segmentsIn(fileSystem)).toHaveLength(before - deleted);
    expect(log.earliestLsn).toBeLessThanOrEqual(16);
    expect(await log.lookup(log.earliestLsn - 1)).toEqual(pointOf(frames[log.earliestLsn - 2]));
    expect(await log.lookup(log.earliestLsn - 2)).toBeUndefined();
    expect(payloadsOf(await log.read(16, 10_000))).toEqual(numbered(15, 16));
    const again = await open(fileSystem.crash(), { from: pointOf(frames[14]) });
    expect(again.replayed).toEqual(numbered(15, 16));
    expect(again.log.earliestLsn).toBe(log.earliestLsn);
  });

  it('keeps at least the retention, and what is pinned', async () => {
    const { log } = await filled({ retentionBytes: 600 });
    const release = log.pin(2);
    expect(await log.compact(30)).toBe(0);
    release();
    expect(await log.compact(30)).toBeGreaterThan(0);
    // One segment has at most 400 bytes: two are needed for 600, and the open one is not counted.
    expect(log.segmentCount).toBe(3);
    expect(await log.compact(30)).toBe(0);
  });

  it('keeps what a pin with a limit asks for, and no more than that', async () => {
    const { log } = await filled({ retentionBytes: 0 });
    const earliestLsn = log.earliestLsn;
    log.pin(earliestLsn, log.bytes);
    expect(await log.compact(30)).toBe(0);
    log.pin(earliestLsn, log.bytes - 1);
    expect(await log.compact(30)).toBe(0);
    const { log: other } = await filled({ retentionBytes: 0 });
    other.pin(earliestLsn, other.bytes - 1);
    expect(await other.compact(30)).toBeGreaterThan(0);
  });
});

describe('verification of kept segments', () => {
  it('finds nothing in a whole log, and any flipped bit of a sealed segment', async () => {
    const { log, fileSystem, frames } = await filled();
    const { signal } = new AbortController();
    expect(await log.verifyKept(signal)).toBeUndefined();
    const paths = segmentsIn(fileSystem);
    const random = new SeededRandom(7);
    for (let i = 0; i < 40; i++) {
      const damaged = fileSystem.crash();
      const path = random.pick(paths.slice(0, 3));
      const bytes = damaged.content(path);
      const at = random.below(bytes.length);
      bytes[at] = (bytes[at] as number) ^ (1 << random.below(8));
      damaged.put(path, bytes);
      // Below the snapshot a start does not read them …
      const opened = await open(damaged, { from: pointOf(frames[25]) });
      // … so this has to.
      const found = await opened.log.verifyKept(signal);
      expect(found?.file, `byte ${at} of ${path}`).toBe(path);
      // What is read is right or refused; a damaged seal hurts no record.
      for (let lsn = 1; lsn <= 20; lsn++) {
        const read = await opened.log.read(lsn, 1).catch((error: { kind: string }) => error.kind);
        if (typeof read === 'string') expect(read).toBe('corrupt');
        else expect(payloadsOf(read)).toEqual(numbered(1, lsn));
      }
      await close(opened);
    }
  });
});

describe('verification that gets no descriptor', () => {
  it('says nothing of damage, and goes on when there is one', async () => {
    const clock = new VirtualClock();
    const { log, fileSystem } = await filled({ clock });
    fileSystem.fail({ call: 'open', code: 'EMFILE', path: /\.wal$/, times: 3 });
    const verifying = log.verifyKept(new AbortController().signal);
    await clock.advance(4_000);
    expect(await verifying).toBeUndefined();
  });
});

describe('the log and its snapshot', () => {
  it('goes on in a new segment where it ends below S, and keeps the old ones aside', async () => {
    const { fileSystem, frames } = await filled();
    const from = pointOf(frameAfter(frames[29] as Frame, 'beyond the log'));
    const opened = await open(fileSystem.crash(), { from });
    expect(opened.replayed).toEqual([]);
    expect(opened.log.tail).toEqual(from);
    expect(opened.log.earliestLsn).toBe(32);
    expect((await asideFilesOf(opened.directory)).length).toBeGreaterThan(3);
    await appendAll(opened.log, ['thirty-two']);
    await close(opened);
    const again = await open(opened.fileSystem as MemoryFileSystem, { from });
    expect(again.replayed).toEqual(['thirty-two']);
    expect(await again.log.lookup(31)).toEqual(from);
  });

  it('refuses a snapshot of another history', async () => {
    const { fileSystem, frames } = await filled();
    for (const lsn of [12, 13, 14, 15, 16, 17, 18, 19]) {
      const from = { ...pointOf(frames[lsn - 1]), crc: 1 };
      await expect(open(fileSystem.crash(), { from })).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });

  it('is not stopped by damage below S in the segment that has S + 1', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem);
    const frames = await appendAll(first.log, numbered(10));
    await close(first);
    const [path] = segmentsIn(fileSystem) as [string];
    const bytes = fileSystem.content(path);
    const at = 96 + 3 * (56 + 'record 1'.length) + 20;
    bytes[at] = (bytes[at] as number) ^ 4;
    fileSystem.put(path, bytes);
    await expect(open(fileSystem)).rejects.toMatchObject({ kind: 'corrupt' });
    const opened = await open(fileSystem, { from: pointOf(frames[6]) });
    expect(opened.replayed).toEqual(numbered(3, 8));
    expect(opened.log.earliestLsn).toBe(5);
    await expect(opened.log.read(4, 100)).rejects.toMatchObject({ kind: 'pruned' });
    expect(payloadsOf(await opened.log.read(5, 10_000))).toEqual(numbered(6, 5));
  });
});

describe('cutting', () => {
  it('leaves exactly the records up to D, for every D, and everything else aside', async () => {
    const { fileSystem, frames, log, directory } = await filled();
    await close({ log, directory } as Parameters<typeof close>[0]);
    const originals = new Map(segmentsIn(fileSystem).map((path) => [path, fileSystem.content(path)]));
    for (let lsn = 1; lsn <= 30; lsn++) {
      const disk = fileSystem.crash();
      const cutting = await openInitialised(disk);
      const aside = await cutLog(cutting, pointOf(frames[lsn - 1]), { term: 7 });
      await cutting.close();
      for (const name of aside) {
        const original = originals.get(`${DIR}/${name.split('/').at(-1)}`) as Buffer;
        expect(disk.content(`${DIR}/${name}`).equals(original)).toBe(true);
      }
      const opened = await open(disk, { maxFileBytes: 400 });
      expect(opened.directory.manifest?.term).toBe(7);
      expect(opened.replayed).toEqual(numbered(lsn));
      expect(opened.log.tail).toEqual(pointOf(frames[lsn - 1]));
      await appendAll(opened.log, ['other', 'history']);
      await close(opened);
      const again = await open(disk);
      expect(again.replayed).toEqual([...numbered(lsn), 'other', 'history']);
    }
  });

  it('to before the first record leaves an empty log', async () => {
    const { fileSystem, log, directory } = await filled();
    await close({ log, directory } as Parameters<typeof close>[0]);
    const cutting = await openInitialised(fileSystem);
    await cutLog(cutting, { epoch: 0, lsn: 0 as ChainPoint['lsn'], crc: 0 });
    await cutting.close();
    const opened = await open(fileSystem);
    expect(opened.replayed).toEqual([]);
    expect(opened.log.tail.lsn).toBe(0);
  });

  it('is refused for a record that the log does not have, with nothing changed', async () => {
    const { fileSystem, frames, log, directory } = await filled();
    await close({ log, directory } as Parameters<typeof close>[0]);
    const cutting = await openInitialised(fileSystem);
    await expect(cutLog(cutting, { ...pointOf(frames[9]), crc: 1 })).rejects.toMatchObject({
      kind: 'corrupt',
    });
    await cutting.close();
    expect((await open(fileSystem)).replayed).toEqual(numbered(30));
  });

  it('is atomic at every call: after a power cut the log is the one or the other', async () => {
    const { fileSystem, frames, log, directory } = await filled();
    await close({ log, directory } as Parameters<typeof close>[0]);
    const cut = async (disk: MemoryFileSystem): Promise<void> => {
      const cutting = await openInitialised(disk);
      await cutLog(cutting, pointOf(frames[11]));
      await cutting.close();
    };
    const rehearsal = fileSystem.crash();
    await cut(rehearsal);
    const seen = new Set<number>();
    for (let call = 1; call <= rehearsal.callCount; call++) {
      for (let seed = 0; seed < 40; seed++) {
        const disk = fileSystem.crash();
        disk.crashAtCall = call;
        await cut(disk).catch(() => {});
        const after = disk.crash(call * 100 + seed);
        const sweeping = await openInitialised(after);
        await sweeping.sweepAside();
        await sweeping.close();
        const opened = await open(after, { maxFileBytes: 400 });
        expect([12, 30], `call ${call}, seed ${seed}`).toContain(opened.replayed.length);
        expect(opened.replayed).toEqual(numbered(opened.replayed.length));
        seen.add(opened.replayed.length);
        if (seed > 5) continue;
        await appendAll(opened.log, numbered(10, 100));
        expect((await open(after.crash(seed))).replayed.slice(-10)).toEqual(numbered(10, 100));
      }
    }
    expect([...seen].sort()).toEqual([12, 30]);
  });
});

describe('a directory', () => {
  it('without MANIFEST and without one record is initialised; what merely looks like a segment lies aside', async () => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.put(`${DIR}/0000000001-00000000000000000001.wal`, Buffer.alloc(500));
    const opened = await open(fileSystem);
    expect(opened.replayed).toEqual([]);
    expect((await asideFilesOf(opened.directory)).map(({ name }) => name)).toEqual([
      'aside/1/0000000001-00000000000000000001.wal',
    ]);
  });

  it('has what was committed after any power cut', async () => {
    const fileSystem = new MemoryFileSystem();
    const directory = await openInitialised(fileSystem);
    await directory.update((manifest) => ({ ...MANIFEST, ...manifest, term: 9 }));
    for (let seed = 0; seed < 16; seed++) {
      expect((await openInitialised(fileSystem.crash(seed))).manifest?.term).toBe(9);
    }
  });

  it.each([
    ['create', 'EIO'],
    ['write', 'EIO'],
    ['datasync', 'EIO'],
    ['rename', 'EIO'],
    ['syncDirectory', 'EIO'],
    ['syncDirectory', 'ENOSPC'],
  ] as const)(
    'whose MANIFEST cannot be replaced (%s: %s) says so, once, and commits no more',
    async (call, code) => {
      const { directory, fileSystem } = await filled();
      const failures: string[] = [];
      directory.onFailed = (error) => failures.push((error as NodeJS.ErrnoException).code ?? '');
      fileSystem.fail({ call, code, times: 1 });
      await expect(directory.commit(MANIFEST)).rejects.toMatchObject({ code });
      await expect(directory.commit(MANIFEST)).rejects.toMatchObject({ code });
      expect(failures).toEqual([code]);
    },
  );

  it.each(['create', 'write', 'datasync', 'rename'] as const)(
    'takes a full disk (%s) for a refusal',
    async (call) => {
      const { directory, fileSystem } = await filled();
      directory.onFailed = () => expect.unreachable();
      fileSystem.fail({ call, code: 'ENOSPC', times: 1 });
      await expect(directory.commit(MANIFEST)).rejects.toMatchObject({ code: 'ENOSPC' });
      await directory.commit(MANIFEST);
      expect(directory.manifest).toMatchObject(MANIFEST);
    },
  );

  it('with a damaged MANIFEST is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    await close(await open(fileSystem));
    const bytes = fileSystem.content(`${DIR}/MANIFEST`);
    bytes[20] = (bytes[20] as number) ^ 1;
    fileSystem.put(`${DIR}/MANIFEST`, bytes);
    const opening = openDirectory({ fileSystem, path: DIR, logger: silentLogger });
    await expect(opening).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('that cannot be used says so', async () => {
    const fileSystem = new MemoryFileSystem();
    fileSystem.fail({ call: 'makeDirectory', code: 'EACCES' });
    const opening = openDirectory({ fileSystem, path: DIR, logger: silentLogger });
    await expect(opening).rejects.toMatchObject({ kind: 'unusable' });
  });

  it.each(['sync', 'read', 'syncDirectory'] as const)(
    'is not used where %s fails while it is opened',
    async (call) => {
      const { fileSystem, log, directory } = await filled();
      await close({ log, directory } as Parameters<typeof close>[0]);
      fileSystem.fail({ call, code: 'EIO', skip: call === 'sync' ? 0 : 1 });
      await expect(open(fileSystem)).rejects.toMatchObject({ name: 'WalOpenError', kind: 'unusable' });
    },
  );

  it('sweeps excluded segments and other snapshots aside, and deletes only its own files that were never finished', async () => {
    const fileSystem = new MemoryFileSystem();
    const directory = await openInitialised(fileSystem);
    const base = '00000000000000000009-0000004294967303.snapshot';
    const other = '00000000000000000004-0000004294967303.snapshot';
    const old = '0000000002-00000000000000000001.wal';
    const unfinished = [other, old, 'MANIFEST', 'incoming.snapshot'].map((name) => `${name}.tmp`);
    const foreign = ['map.tmp', 'a.wal.tmp', `${base}.tmp/inside`];
    for (const name of [base, other, old, ...unfinished, ...foreign])
      fileSystem.put(`${DIR}/${name}`, Buffer.from(name));
    await directory.commit({ ...MANIFEST, snapshot: base, lowestSegment: 3 });
    expect((await directory.sweepAside()).sort()).toEqual([`aside/1/${other}`, `aside/1/${old}`].sort());
    expect(await directory.sweepAside()).toEqual([]);
    expect(fileSystem.paths(DIR)).toEqual(
      [
        `${DIR}/${base}`,
        `${DIR}/LOCK`,
        `${DIR}/MANIFEST`,
        `${DIR}/aside/1/${other}`,
        `${DIR}/aside/1/${old}`,
        ...foreign.map((name) => `${DIR}/${name}`),
      ].sort(),
    );
    expect(await directory.nextSegmentSeq()).toBe(3);
  });
});
