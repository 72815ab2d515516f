/**
 * The power goes at every single call that changes the disk, in a run with
 * rotation, a change of MANIFEST, compaction and a clean stop, and again during
 * the recovery from it. The oracle is the list of what the log said was
 * committed, which lives outside of the file system that crashes.
 */
import { describe, expect, it } from 'vitest';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import type { ChainPoint } from '#model/replication.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { formatSnapshotName } from '#wal/file-names.ts';
import {
  frameAfter,
  MANIFEST,
  numbered,
  type Opened,
  ORIGIN,
  open,
  openInitialised,
  payloadsOf,
} from './harness.ts';

const PAYLOADS = numbered(30);
/** The record the script's snapshot is made at. */
const SNAPSHOT_LSN = 17;
const MAX_FILE_BYTES = 420;

/** Where record `lsn` stands in the one chain all runs write. */
const POINTS: ChainPoint[] = [ORIGIN];
for (const payload of PAYLOADS) {
  const { epoch, lsn, crc } = frameAfter(POINTS.at(-1) as ChainPoint, payload);
  POINTS.push({ epoch, lsn, crc });
}

interface Promised {
  committedLsn: number;
  durableLsn: number;
  isClosed: boolean;
}

/** Runs the script until it ends or the power goes; `promised` is what it saw acknowledged. */
async function runScript(
  fileSystem: MemoryFileSystem,
  fsync: FsyncPolicy,
  promised: Promised,
): Promise<void> {
  try {
    const { log, directory } = await open(fileSystem, { fsync, maxFileBytes: MAX_FILE_BYTES });
    log.onCommitted = (lsn) => {
      promised.committedLsn = lsn;
    };
    log.onDurable = (lsn) => {
      promised.durableLsn = lsn;
    };
    for (let i = 0; i < PAYLOADS.length; i += 3) {
      for (const payload of PAYLOADS.slice(i, i + 3)) log.append(frameAfter(log.tail, payload));
      // At other policies something stays in the page cache between these.
      if (fsync === 'always' || i % 9 === 0) await log.drain();
      if (i === 12) await log.rotate();
      if (i === 18) {
        await log.drain();
        const snapshot = formatSnapshotName(POINTS[SNAPSHOT_LSN] as ChainPoint);
        await directory.update((manifest) => ({ ...MANIFEST, ...manifest, snapshot }));
        await log.compact(SNAPSHOT_LSN);
      }
    }
    await log.close();
    await directory.close();
    promised.isClosed = true;
  } catch (error) {
    if (!fileSystem.isCrashed) throw error;
  }
}

async function recover(fileSystem: MemoryFileSystem): Promise<Opened> {
  const directory = await openInitialised(fileSystem);
  const from = directory.manifest?.snapshot === '' ? ORIGIN : (POINTS[SNAPSHOT_LSN] as ChainPoint);
  await directory.close();
  return open(fileSystem, { from, maxFileBytes: MAX_FILE_BYTES });
}

async function checkPrefix(
  opened: Opened,
  promised: Promised,
  fsync: FsyncPolicy,
  label: string,
): Promise<void> {
  const { lsn, crc } = opened.log.tail;
  const startLsn = opened.frames[0] === undefined ? lsn : opened.frames[0].lsn - 1;
  expect(opened.replayed, label).toEqual(PAYLOADS.slice(startLsn, lsn));
  expect(crc, label).toBe(POINTS[lsn]?.crc);
  expect([0, SNAPSHOT_LSN, lsn], label).toContain(startLsn);
  const { earliestLsn } = opened.log;
  const kept = lsn < earliestLsn ? [] : await opened.log.read(earliestLsn, 1_000_000);
  expect(payloadsOf(kept), label).toEqual(PAYLOADS.slice(earliestLsn - 1, lsn));
  const leastLsn = fsync === 'always' ? promised.committedLsn : promised.durableLsn;
  expect(lsn, label).toBeGreaterThanOrEqual(leastLsn);
  expect(opened.log.durableLsn, label).toBe(lsn);
  if (promised.isClosed) expect(opened.wasClean, label).toBe(true);
  if (opened.wasClean) expect(lsn, label).toBeGreaterThanOrEqual(promised.committedLsn);
}

async function callsOf(work: (fileSystem: MemoryFileSystem) => Promise<unknown>): Promise<number> {
  const fileSystem = new MemoryFileSystem();
  await work(fileSystem);
  return fileSystem.callCount;
}

function freshPromise(): Promised {
  return { committedLsn: 0, durableLsn: 0, isClosed: false };
}

describe.each(['always', 'interval', 'never'] as const)('a power cut at any call, fsync %s', (fsync) => {
  it('loses nothing that was promised, and recovers an exact prefix', async () => {
    const total = await callsOf((fileSystem) => runScript(fileSystem, fsync, freshPromise()));
    expect(total).toBeGreaterThan(40);
    for (let call = 1; call <= total + 1; call++) {
      const promised = freshPromise();
      const fileSystem = new MemoryFileSystem({ seed: call, pageBytes: 64, hasShortWrites: call % 2 === 0 });
      fileSystem.crashAtCall = call;
      await runScript(fileSystem, fsync, promised);
      for (let seed = 0; seed < 8; seed++) {
        const label = `call ${call}, seed ${seed}, committed ${promised.committedLsn}`;
        const disk = fileSystem.crash(call * 100 + seed);
        const opened = await recover(disk).catch((error: unknown) => {
          throw new Error(label, { cause: error });
        });
        await checkPrefix(opened, promised, fsync, label);
        const { tail } = opened.log;
        opened.log.append(frameAfter(tail, 'after'));
        await opened.log.drain();
        const again = await recover(disk.crash(seed + 1));
        expect(again.replayed.at(-1), label).toBe('after');
        expect(again.log.tail.lsn, label).toBe(tail.lsn + 1);
      }
    }
  });

  it('loses nothing by a second power cut during recovery', async () => {
    const random = new SeededRandom(42);
    const total = await callsOf((fileSystem) => runScript(fileSystem, fsync, freshPromise()));
    for (let call = 10; call <= total; call += 3) {
      const promised = freshPromise();
      const fileSystem = new MemoryFileSystem({ seed: call, pageBytes: 64 });
      fileSystem.crashAtCall = call;
      await runScript(fileSystem, fsync, promised);
      const seed = random.below(1_000);
      const calls = await callsOfRecovery(fileSystem.crash(seed));
      for (let second = 1; second <= calls; second++) {
        const label = `call ${call}, seed ${seed}, then call ${second}`;
        const disk = fileSystem.crash(seed);
        disk.crashAtCall = second;
        await recover(disk).catch(() => {});
        expect(disk.isCrashed, label).toBe(true);
        const opened = await recover(disk.crash(random.below(1_000))).catch((error: unknown) => {
          throw new Error(label, { cause: error });
        });
        await checkPrefix(opened, { ...promised, isClosed: false }, fsync, label);
      }
    }
  });
});

async function callsOfRecovery(disk: MemoryFileSystem): Promise<number> {
  await recover(disk);
  return disk.callCount;
}
