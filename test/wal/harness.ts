/** What the tests of the log share: a directory in memory, an open log, records to put into it. */

import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import type { Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { silentLogger } from '#platform/logger.ts';
import { MemoryFileSystem } from '#test/doubles/memory-file-system.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { encodeFrame, type Frame } from '#wal/frame.ts';
import { type Log, type OpenedLog, type OpenLogOptions, openLog } from '#wal/log.ts';
import type { Manifest } from '#wal/manifest.ts';
import { openDirectory, type WalDirectory } from '#wal/wal-directory.ts';

export const DIR = '/data/wal';
export const LOG_ID = '00112233445566778899aabbccddeeff';
export const EPOCH = 2 ** 32 + 7;
export const ORIGIN: ChainPoint = { epoch: 0, lsn: 0 as Lsn, crc: 0 };

export const MANIFEST: Manifest = {
  format: 1,
  logId: LOG_ID,
  nodeId: 'ffeeddccbbaa99887766554433221100',
  role: 'master',
  upstream: '',
  term: 1,
  snapshot: '',
  lowestSegment: 1,
  replicas: { added: [], removed: [] },
  quarantine: null,
};

export function frameAfter(before: ChainPoint, payload: string | Uint8Array, epoch = EPOCH): Frame {
  const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
  const lsn = (before.lsn + 1) as Lsn;
  const header = {
    lsn,
    epoch,
    prevCrc: before.crc,
    type: RECORD_TYPE.data,
    flags: 0,
    timestampMs: 1_000 + lsn,
  };
  return encodeFrame(header, bytes.length, (target, offset) => target.set(bytes, offset));
}

export interface Opened extends OpenedLog {
  readonly directory: WalDirectory;
  readonly fileSystem: FileSystem;
  /** Payloads replayed. */
  readonly replayed: string[];
  readonly frames: Frame[];
}

export async function openInitialised(fileSystem: FileSystem): Promise<WalDirectory> {
  const directory = await openDirectory({ fileSystem, path: DIR, logger: silentLogger });
  if (directory.manifest === undefined) await directory.commit(MANIFEST);
  return directory;
}

/** Opens (and, where it is fresh, initialises) the log in `DIR`. */
export async function open(
  fileSystem: FileSystem = new MemoryFileSystem(),
  options: Partial<OpenLogOptions> & { readonly clock?: Clock } = {},
): Promise<Opened> {
  const directory = await openInitialised(fileSystem);
  const replayed: string[] = [];
  const frames: Frame[] = [];
  try {
    const opened = await openLog({
      directory,
      clock: new VirtualClock(),
      random: new SeededRandom(5),
      logger: silentLogger,
      fsync: 'always',
      syncIntervalMs: 1_000,
      requestedSyncGapMs: 10,
      maxFileBytes: 100_000_000,
      retentionBytes: 0,
      from: ORIGIN,
      logId: LOG_ID,
      onFrame: (frame) => {
        frames.push(frame);
        replayed.push(Buffer.from(frame.payload).toString());
      },
      ...options,
    });
    return { ...opened, directory, fileSystem, replayed, frames };
  } catch (error) {
    await directory.close();
    throw error;
  }
}

/** Appends one record per payload; they are durable when this resolves. */
export async function appendAll(log: Log, payloads: readonly string[]): Promise<Frame[]> {
  const frames = payloads.map((payload) => {
    const frame = frameAfter(log.tail, payload);
    log.append(frame);
    return frame;
  });
  await log.drain();
  return frames;
}

export async function close(opened: Opened): Promise<void> {
  await opened.log.close();
  await opened.directory.close();
}

export function payloadsOf(frames: readonly Frame[]): string[] {
  return frames.map((frame) => Buffer.from(frame.payload).toString());
}

/** `count` payloads, all different. */
export function numbered(count: number, from = 1): string[] {
  return Array.from({ length: count }, (_, i) => `record ${from + i}`);
}
