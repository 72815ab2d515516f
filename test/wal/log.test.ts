import { describe, expect, it } from 'vitest';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { openDirectory } from '#wal/wal-directory.ts';
import { WalOpenError } from '#wal/wal-errors.ts';
import { appendAll, close, DIR, frameAfter, numbered, open, payloadsOf } from './harness.ts';

describe('a log', () => {
  it('gives back after a clean stop what was appended, and says it was clean', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem);
    expect(first.wasClean).toBe(false);
    await appendAll(first.log, numbered(5));
    await close(first);

    const second = await open(fileSystem.crash());
    expect(second.replayed).toEqual(numbered(5));
    expect(second.wasClean).toBe(true);
    expect(second.log.tail.lsn).toBe(5);
    expect(second.log.durableLsn).toBe(5);
    await appendAll(second.log, ['six']);
    const third = await open((second.fileSystem as MemoryFileSystem).kill());
    expect(third.replayed).toEqual([...numbered(5), 'six']);
    expect(third.wasClean).toBe(false);
    expect(third.tornTail).toBeUndefined();
  });

  it('is not clean when an append after a clean start was lost to a power cut', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem);
    await appendAll(first.log, numbered(2));
    await close(first);
    const clock = new VirtualClock();
    const second = await open(fileSystem, { fsync: 'never', clock });
    second.log.append(frameAfter(second.log.tail, 'lost'));
    await clock.settle();
    expect(second.log.writtenLsn).toBe(3);
    for (let seed = 0; seed < 16; seed++) {
      const after = await open(fileSystem.crash(seed));
      expect(after.wasClean).toBe(false);
    }
  });

  it('keeps reading across segments, verbatim, durable records only', async () => {
    const clock = new VirtualClock();
    const opened = await open(new MemoryFileSystem(), { maxFileBytes: 400, fsync: 'never', clock });
    const { log } = opened;
    const frames = await appendAll(log, numbered(40));
    expect(log.segmentCount).toBeGreaterThan(5);
    log.append(frameAfter(log.tail, 'not durable'));
    await clock.settle();
    expect(log.writtenLsn).toBe(41);

    const read = await log.read(1, 1_000_000);
    expect(read.map((frame) => Buffer.from(frame.bytes))).toEqual(
      frames.map((frame) => Buffer.from(frame.bytes)),
    );
    expect(payloadsOf(await log.read(38, 1_000_000))).toEqual(numbered(3, 38));
    expect(payloadsOf(await log.read(10, 1))).toEqual(['record 10']);
    expect(payloadsOf(await log.read(10, 1_000, 12))).toEqual(numbered(3, 10));
    expect(await log.read(41, 1_000)).toEqual([]);
    for (const frame of frames) {
      const { epoch, lsn, crc } = frame;
      expect(await log.lookup(lsn)).toEqual({ epoch, lsn, crc });
    }
    expect((await log.lookup(41))?.crc).toBe(log.tail.crc);
    expect(await log.lookup(42)).toBeUndefined();
  });

  it('gives a record larger than a segment, and larger than a batch, one of its own', async () => {
    const fileSystem = new MemoryFileSystem();
    const { log } = await open(fileSystem, { maxFileBytes: 4_096 });
    const large = 'x'.repeat(5 * 1_024 * 1_024);
    await appendAll(log, ['a', large, 'b']);
    expect(log.segmentCount).toBe(3);
    expect(payloadsOf(await log.read(1, 10_000_000)).map((text) => text.length)).toEqual([
      1,
      large.length,
      1,
    ]);
    const again = await open(fileSystem.crash());
    expect(again.replayed.map((text) => text.length)).toEqual([1, large.length, 1]);
    expect(again.replayed[1] === large).toBe(true);
  });

  it('refuses a second owner, and lets the next one in when the first is gone', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem);
    const second = openDirectory({ fileSystem, path: DIR, logger: silentLogger });
    await expect(second).rejects.toMatchObject({ name: 'WalOpenError', kind: 'locked' });
    await close(first);
    const third = await open(fileSystem);
    await close(third);
    await open(fileSystem.crash());
  });

  it('refuses a directory whose MANIFEST is gone but whose records are not', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem);
    await appendAll(first.log, ['a']);
    await close(first);
    await fileSystem.remove(`${DIR}/MANIFEST`);
    const error = await openDirectory({ fileSystem, path: DIR, logger: silentLogger }).catch(
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(WalOpenError);
    expect((error as Error).message).toContain('walnut wal inspect');
  });

  it('refuses the segments of another log and a log that begins too late', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await open(fileSystem, { maxFileBytes: 300 });
    await appendAll(first.log, numbered(10));
    await close(first);
    await expect(open(fileSystem, { logId: 'ab'.repeat(16) })).rejects.toMatchObject({ kind: 'foreign' });
    const segments = fileSystem.paths(DIR).filter((path) => path.endsWith('.wal'));
    await fileSystem.remove(segments[0] as string);
    await expect(open(fileSystem)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
