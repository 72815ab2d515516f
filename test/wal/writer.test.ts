/** Group commit, fdatasync policies, full and failing disks. */
import { describe, expect, it } from 'vitest';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { ProbedFileSystem } from '#test/doubles/probed-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import type { Log, OpenLogOptions } from '#wal/log.ts';
import { appendAll, close, DIR, frameAfter, MANIFEST, numbered, type Opened, open } from './harness.ts';

interface Rig extends Opened {
  readonly clock: VirtualClock;
  readonly disk: MemoryFileSystem;
  readonly told: string[];
}

async function rig(disk = new MemoryFileSystem(), options: Partial<OpenLogOptions> = {}): Promise<Rig> {
  const clock = new VirtualClock();
  const opened = await open(disk, { clock, ...options });
  const told: string[] = [];
  opened.log.onCommitted = (lsn) => told.push(`committed ${lsn}`);
  opened.log.onDurable = (lsn) => told.push(`durable ${lsn}`);
  opened.log.onRefused = (lsn, error) => told.push(`refused ${lsn} ${(error as NodeJS.ErrnoException).code}`);
  opened.log.onFailed = () => told.push('failed');
  return { ...opened, clock, disk, told };
}

function append(log: Log, payloads: readonly string[]): void {
  for (const payload of payloads) log.append(frameAfter(log.tail, payload));
}

function syncsOf(disk: MemoryFileSystem): number {
  return disk.counts.get('datasync') ?? 0;
}

describe('group commit', () => {
  it('writes what is queued with one write and one fdatasync', async () => {
    const { log, clock, disk, told } = await rig();
    const writes = disk.counts.get('write') as number;
    const syncs = syncsOf(disk);
    append(log, numbered(100));
    expect(log.queuedBytes).toBeGreaterThan(4_400);
    await clock.settle();
    expect(disk.counts.get('write')).toBe(writes + 1);
    expect(syncsOf(disk)).toBe(syncs + 1);
    expect(told).toEqual(['committed 100', 'durable 100']);
    expect(log.queuedBytes).toBe(0);
  });

  it('takes what arrived during an fdatasync as the next batch, and acknowledges nothing before its own', async () => {
    const { log, clock, disk, told } = await rig();
    disk.holdSyncs();
    append(log, ['a']);
    await clock.settle();
    append(log, ['b', 'c']);
    await clock.settle();
    expect(told).toEqual([]);
    expect(log.writtenLsn).toBe(1);
    disk.releaseSyncs();
    await clock.settle();
    expect(told).toEqual(['committed 1', 'durable 1', 'committed 3', 'durable 3']);
  });

  it('issues the next fdatasync before anyone who waits for a batch hears of it', async () => {
    const { log, clock, disk, told } = await rig();
    disk.holdSyncs();
    append(log, ['a']);
    await clock.settle();
    append(log, ['b']);
    const syncs = syncsOf(disk);
    const heard = new Promise<number>((resolve) => {
      log.onCommitted = (lsn) => {
        told.push(`committed ${lsn}`);
        if (lsn === 1) void Promise.resolve().then(() => resolve(syncsOf(disk)));
      };
    });
    disk.releaseSyncs();
    expect(await heard).toBe(syncs + 1);
    await clock.settle();
    expect(told).toEqual(['committed 1', 'durable 1', 'committed 2', 'durable 2']);
  });

  it('lets tasks, new segments and a delay of the caller come between batches', async () => {
    const { log, clock, disk, told } = await rig(undefined, { maxFileBytes: 4_096 });
    disk.holdSyncs();
    append(log, ['a']);
    await clock.settle();
    let release = (): void => {};
    const room = new Promise<void>((resolve) => {
      release = resolve;
    });
    let isHeld = true;
    log.holdBack = () => (isHeld ? room : undefined);
    append(log, ['b']);
    disk.releaseSyncs();
    await clock.settle();
    expect(told).toEqual(['committed 1', 'durable 1']);
    isHeld = false;
    release();
    append(log, ['c'.repeat(3_000), 'd'.repeat(3_000)]);
    const rotated = log.rotate();
    await clock.settle();
    await rotated;
    expect(log.durableLsn).toBe(4);
    expect(log.segmentCount).toBeGreaterThan(1);
    expect((await open(disk.crash())).replayed.length).toBe(4);
  });

  it('continues after short writes', async () => {
    const { log, disk } = await rig(new MemoryFileSystem({ hasShortWrites: true, seed: 3 }));
    await appendAll(log, numbered(50));
    expect((await open(disk.crash())).replayed).toEqual(numbered(50));
  });
});

describe('fdatasync at interval', () => {
  it('runs beside the writes; durable is what was written when it was issued', async () => {
    const { log, clock, disk, told } = await rig(undefined, { fsync: 'interval', syncIntervalMs: 1_000 });
    append(log, ['a']);
    await clock.settle();
    expect(told).toEqual(['committed 1']);
    disk.holdSyncs();
    await clock.advance(1_000);
    expect(disk.heldSyncCount).toBe(1);
    append(log, ['b', 'c']);
    await clock.settle();
    expect(told).toEqual(['committed 1', 'committed 3']);
    disk.releaseSyncs();
    await clock.settle();
    expect(log.durableLsn).toBe(1);
    await clock.advance(1_000);
    expect(log.durableLsn).toBe(3);
    expect(told).toEqual(['committed 1', 'committed 3', 'durable 1', 'durable 3']);
  });

  it('is issued at once on request, at most once per gap, and covers what waits', async () => {
    const { log, clock, disk } = await rig(undefined, { fsync: 'never', requestedSyncGapMs: 10 });
    const syncs = syncsOf(disk);
    append(log, ['a']);
    log.requestSync();
    await clock.settle();
    expect(log.durableLsn).toBe(1);
    for (let i = 0; i < 5; i++) {
      append(log, ['b']);
      log.requestSync();
      await clock.advance(1);
    }
    expect(syncsOf(disk)).toBe(syncs + 1);
    await clock.advance(5);
    expect(syncsOf(disk)).toBe(syncs + 2);
    expect(log.durableLsn).toBe(6);
    append(log, ['not asked for']);
    await clock.advance(60);
    expect(log.durableLsn).toBe(6);
  });
});

describe('a mark', () => {
  it('follows 100 ms of silence, once, so that a flipped bit in the last batch is loud', async () => {
    const { log, clock, disk } = await rig();
    append(log, ['a', 'b']);
    await clock.settle();
    const path = disk.paths(DIR).find((name) => name.endsWith('.wal')) as string;
    const unvouched = disk.content(path);
    await clock.advance(150);
    const vouched = disk.content(path);
    expect(vouched.length).toBe(unvouched.length + 28);
    await clock.advance(10_000);
    expect(disk.content(path).length).toBe(vouched.length);

    const damage = async (content: Buffer): Promise<Opened> => {
      const damaged = new MemoryFileSystem();
      damaged.put(`${DIR}/MANIFEST`, disk.content(`${DIR}/MANIFEST`));
      content.writeUInt8((content[100] as number) ^ 1, 100);
      damaged.put(path, content);
      return open(damaged);
    };
    expect((await damage(unvouched)).log.tail.lsn).toBe(0);
    await expect(damage(vouched)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});

describe('a log that gets no descriptor, or no memory, for its next segment', () => {
  it.each([
    ['EMFILE', 'create', /\.wal$/, 'files'],
    ['ENFILE', 'create', /\.wal$/, 'files'],
    ['EMFILE', 'create', /MANIFEST/, 'files'],
    ['EMFILE', 'syncDirectory', /./, 'files'],
    ['ENOMEM', 'create', /\.wal$/, 'memory'],
    ['EAGAIN', 'write', /\.wal$/, 'memory'],
    ['EDQUOT', 'create', /\.wal$/, 'space'],
  ] as const)(
    'refuses as a full disk does, and heals (%s at %s of %s)',
    async (code, call, path, shortage) => {
      const { log, clock, disk, told, directory } = await rig(new MemoryFileSystem(), { maxFileBytes: 400 });
      directory.onFailed = () => expect.unreachable();
      await appendAll(log, numbered(4));
      told.length = 0;
      // A full disk is tried again at once, after what is kept for replicas has gone.
      disk.fail({ call, code, path, times: 1 });
      append(log, ['refused']);
      await clock.settle();
      expect(log.failure).toBeUndefined();
      expect(told).toEqual([`refused 5 ${code}`]);
      expect(log.shortage).toBe(shortage);
      await clock.advance(1_000);
      expect(log.shortage).toBeUndefined();
      append(log, ['taken']);
      await clock.settle();
      expect(told.slice(1)).toEqual(['committed 5', 'durable 5']);
      expect((await open(disk.crash())).replayed).toEqual([...numbered(4), 'taken']);
    },
  );

  it('makes names durable by the descriptor of the directory that it keeps', async () => {
    const { log, disk, directory } = await rig(new MemoryFileSystem(), { maxFileBytes: 400 });
    directory.onFailed = () => expect.unreachable();
    disk.fail({ call: 'openDirectory', code: 'EMFILE' });
    await appendAll(log, numbered(12));
    expect(log.segmentCount).toBeGreaterThan(2);
    expect((await open(disk.crash())).replayed).toEqual(numbered(12));
  });

  it('moves nothing aside where it could not make the move durable', async () => {
    const { disk, directory } = await rig();
    disk.put(`${DIR}/odd`, Buffer.from('kept'));
    disk.fail({ call: 'openDirectory', code: 'EMFILE', path: /aside\/1$/, times: 1 });
    await expect(directory.moveAside(['odd'])).rejects.toMatchObject({ code: 'EMFILE' });
    expect(disk.content(`${DIR}/odd`).toString()).toBe('kept');
    expect(await directory.moveAside(['odd'])).toEqual(['aside/2/odd']);
  });

  it('gives up nothing that is kept for replicas', async () => {
    const disk = new MemoryFileSystem();
    const { log, clock, directory } = await rig(disk, { maxFileBytes: 400, retentionBytes: 10_000 });
    const frames = await appendAll(log, numbered(20));
    const snapshot = `${'9'.padStart(20, '0')}-${String(frames[8]?.epoch).padStart(16, '0')}.snapshot`;
    await directory.commit({ ...MANIFEST, snapshot });
    const before = log.segmentCount;
    disk.fail({ call: 'create', code: 'EMFILE', path: /\.wal$/, times: 9 });
    for (let i = 0; i < 6; i++) append(log, [`more ${i}`]);
    await clock.settle();
    expect(log.shortage).toBe('files');
    expect(log.segmentCount).toBe(before);
  });
});

describe('a full disk', () => {
  it('refuses the batch and what is behind it, keeps what was there, and reuses the LSNs', async () => {
    const { log, clock, disk, told } = await rig();
    await appendAll(log, ['a', 'b']);
    told.length = 0;
    disk.bytesMax = disk.usedBytes + 100;
    append(log, ['c', 'd', 'e']);
    await clock.settle();
    expect(told).toEqual(['refused 3 ENOSPC']);
    expect(log.tail.lsn).toBe(2);
    expect(log.shortage).toBe('space');
    expect((await open(disk.crash())).replayed).toEqual(['a', 'b']);
  });

  it('is metered: what was written, in how many writes, and what was refused', async () => {
    const metered: string[] = [];
    const meter = {
      written: (records: number, bytes: number) => metered.push(`written ${records}, ${bytes} bytes`),
      refused: (records: number) => metered.push(`refused ${records}`),
      synced: () => metered.push('synced'),
    };
    const { log, clock, disk } = await rig(undefined, { meter });
    append(log, ['a', 'b']);
    await clock.settle();
    disk.bytesMax = disk.usedBytes + 100;
    append(log, ['c', 'd', 'e']);
    await clock.settle();
    const bytes = 2 * frameAfter(log.tail, 'a').frameBytes;
    expect(metered.filter((what) => what !== 'synced')).toEqual([`written 2, ${bytes} bytes`, 'refused 3']);
    expect(metered).toContain('synced');
  });

  it('leaves nothing of a refused batch on the disk, even where it had got there', async () => {
    const { log, clock, disk, told } = await rig(new MemoryFileSystem({ isEager: true }));
    await appendAll(log, ['a', 'b']);
    disk.bytesMax = disk.usedBytes + 100;
    append(log, ['c', 'd', 'e']);
    await clock.settle();
    expect(told.at(-1)).toBe('refused 3 ENOSPC');
    for (let seed = 0; seed < 16; seed++) {
      const after = await open(disk.crash(seed));
      expect(after.replayed).toEqual(['a', 'b']);
      expect(after.tornTail).toBeUndefined();
    }
  });

  it('goes on by itself when there is room again', async () => {
    const { log, clock, disk, told } = await rig();
    disk.bytesMax = disk.usedBytes + 10;
    append(log, ['refused']);
    await clock.settle();
    expect(log.shortage).toBe('space');
    disk.bytesMax = Number.POSITIVE_INFINITY;
    await clock.advance(1_000);
    expect(log.shortage).toBeUndefined();
    append(log, ['taken']);
    await clock.settle();
    expect(told).toEqual(['refused 1 ENOSPC', 'committed 1', 'durable 1']);
    expect((await open(disk.crash())).replayed).toEqual(['taken']);
  });

  it('is relieved first by segments that are kept only for replicas', async () => {
    const disk = new MemoryFileSystem();
    const { log, clock, directory, told } = await rig(disk, { maxFileBytes: 400, retentionBytes: 10_000 });
    const frames = await appendAll(log, numbered(20));
    const snapshot = `${'9'.padStart(20, '0')}-${String(frames[8]?.epoch).padStart(16, '0')}.snapshot`;
    await directory.commit({ ...MANIFEST, snapshot });
    expect(await log.compact(9)).toBe(0);
    told.length = 0;
    disk.bytesMax = disk.usedBytes;
    append(log, ['fits after all']);
    await clock.settle();
    expect(told).toEqual(['committed 21', 'durable 21']);
    expect(log.earliestLsn).toBeGreaterThan(1);
    expect(log.earliestLsn).toBeLessThanOrEqual(10);
    await expect(log.read(1, 100)).rejects.toMatchObject({ kind: 'pruned' });
    const { epoch, lsn, crc } = frames[8] as (typeof frames)[0];
    const again = await open(disk.crash(), { from: { epoch, lsn, crc } });
    expect(again.replayed).toEqual([...numbered(11, 10), 'fits after all']);
  });

  it('in the middle of a rotation refuses cleanly too, at every budget', async () => {
    for (let room = 0; room < 700; room += 7) {
      const disk = new MemoryFileSystem();
      const { log, clock, told } = await rig(disk, { maxFileBytes: 300 });
      await appendAll(log, ['a']);
      disk.bytesMax = disk.usedBytes + room;
      for (let i = 0; i < 6; i++) {
        append(log, [`${i}`.repeat(40)]);
        await clock.settle();
      }
      const kept = log.tail.lsn;
      disk.bytesMax = Number.POSITIVE_INFINITY;
      await clock.advance(1_000);
      append(log, ['last']);
      await clock.settle();
      expect(told.at(-1), `room ${room}`).toBe(`durable ${kept + 1}`);
      const again = await open(disk.crash(room));
      expect(again.replayed.length, `room ${room}`).toBe(kept + 1);
      expect(again.replayed.at(-1)).toBe('last');
    }
  });

  it('at the start leaves the log readable, repaired and writable as soon as there is room', async () => {
    const disk = new MemoryFileSystem();
    const first = await rig(disk);
    await appendAll(first.log, ['a', 'b']);
    const after = disk.kill();
    after.bytesMax = after.usedBytes;
    const { log, clock, told, replayed } = await rig(after);
    expect(replayed).toEqual(['a', 'b']);
    expect(log.shortage).toBe('space');
    append(log, ['c']);
    await clock.settle();
    expect(told).toEqual(['refused 3 ENOSPC']);
    after.bytesMax = Number.POSITIVE_INFINITY;
    await clock.advance(1_000);
    append(log, ['d']);
    await clock.settle();
    expect((await open(after.crash())).replayed).toEqual(['a', 'b', 'd']);
  });
});

describe('a failing disk', () => {
  it.each(['always', 'interval'] as const)('at %s: a failed fdatasync is final', async (fsync) => {
    const disk = new MemoryFileSystem();
    const { log, clock, told } = await rig(disk, { fsync });
    disk.fail({ call: 'datasync', code: 'EIO', times: 1 });
    append(log, ['a']);
    await clock.advance(1_000);
    expect(told.filter((event) => event !== 'committed 1')).toEqual(['failed']);
    expect(log.failure?.message).toContain('fdatasync');
    expect(log.durableLsn).toBe(0);
    // The disk would accept everything again: nothing is tried.
    const calls = disk.callCount;
    expect(() => append(log, ['b'])).toThrow('fdatasync');
    await expect(log.drain()).rejects.toThrow('fdatasync');
    await expect(log.rotate()).rejects.toThrow('fdatasync');
    log.requestSync();
    await log.close();
    await clock.advance(10_000);
    expect(disk.callCount).toBe(calls);
    expect(told.filter((event) => event.startsWith('durable'))).toEqual([]);
  });

  it('a failed fdatasync reporting ENOSPC is final all the same', async () => {
    const disk = new MemoryFileSystem();
    const { log, clock, told } = await rig(disk);
    disk.fail({ call: 'datasync', code: 'ENOSPC', times: 1 });
    append(log, ['a']);
    await clock.settle();
    expect(told).toEqual(['failed']);
    expect(log.failure).toBeDefined();
  });

  it('a full disk whose batch cannot be cut off again is final', async () => {
    const disk = new MemoryFileSystem();
    const { log, clock, told } = await rig(disk);
    disk.bytesMax = disk.usedBytes + 20;
    disk.fail({ call: 'truncate', code: 'EIO' });
    append(log, ['a']);
    await clock.settle();
    expect(told).toEqual(['failed']);
    expect(log.failure).toBeDefined();
  });

  it('what the page cache shows after a failed fdatasync is written anew by the next start', async () => {
    const disk = new MemoryFileSystem();
    const { log, clock } = await rig(disk);
    disk.fail({ call: 'datasync', code: 'EIO', times: 1 });
    append(log, ['seen but not on disk']);
    await clock.settle();
    expect(log.failure).toBeDefined();
    // The process dies, the machine lives: the kernel took the dirty pages for clean.
    const second = disk.kill();
    const opened = await rig(second);
    expect(opened.replayed).toEqual(['seen but not on disk']);
    expect(opened.log.durableLsn).toBe(1);
    for (let seed = 0; seed < 8; seed++) {
      expect((await open(second.crash(seed))).replayed).toEqual(['seen but not on disk']);
    }
  });
});

describe('closing', () => {
  it('drains, and nothing of the log stays behind on the clock', async () => {
    const { log, clock, disk, ...rest } = await rig(undefined, { fsync: 'interval' });
    append(log, numbered(10));
    await close({ log, ...rest });
    expect(clock.pendingTimers).toBe(0);
    const again = await open(disk.crash());
    expect(again.wasClean).toBe(true);
    expect(again.replayed).toEqual(numbered(10));
  });

  it('takes no task any more, so that no segment is opened after the last was closed', async () => {
    const disk = new MemoryFileSystem();
    const fileSystem = new ProbedFileSystem(disk);
    const clock = new VirtualClock();
    const opened = await open(fileSystem, { clock });
    await appendAll(opened.log, numbered(3));
    disk.holdSyncs();
    const closing = opened.log.close();
    await clock.settle();
    expect(disk.heldSyncCount).toBe(1);
    const rotating = opened.log.rotate();
    disk.releaseSyncs();
    await expect(rotating).rejects.toThrow('the log is closing');
    await closing;
    await opened.directory.close();
    expect(fileSystem.openPaths).toEqual([]);
    expect((await open(disk.crash())).wasClean).toBe(true);
  });

  it('with a mark that the disk does not take is no clean stop to the next start', async () => {
    const first = await rig(undefined, { fsync: 'always' });
    append(first.log, numbered(3));
    await first.clock.settle();
    // Everything else is on disk: the one fdatasync left is that of the mark.
    first.disk.fail({ call: 'datasync', code: 'EIO', times: 1 });
    await expect(close(first)).rejects.toThrow('fdatasync');
    const second = first.disk.kill();
    const opened = await rig(second);
    expect(opened.wasClean).toBe(false);
    append(opened.log, numbered(3));
    await opened.clock.settle();
    for (let seed = 0; seed < 8; seed++) {
      expect((await open(second.crash(seed))).replayed).toEqual([...numbered(3), ...numbered(3)]);
    }
  });
});
