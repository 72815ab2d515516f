/**
 * Makes a second data directory of a log image, and recovers it by the code that
 * every start runs. Drills measure this, and a restore verifies its result by it.
 */
import { type ImageReaderParts, type LogImage, LogMovedError } from '#backup/log-image.ts';
import type { Engine } from '#engine/engine.ts';
import { openEngine } from '#engine/open-engine.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Logger } from '#platform/logger.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { copyRange } from '#wal/whole-files.ts';

export interface ShadowParts extends ImageReaderParts {
  readonly logger: Logger;
}

export interface Recovered {
  readonly position: ChainPoint;
  readonly entries: number;
  readonly digest: string;
  /** Monotonic milliseconds from opening the snapshot to a log that can be appended to. */
  readonly elapsedMs: number;
}

/** Copies the files of `image`, each up to its `bytes`, into the directory at `path`; they are durable when it resolves. */
export async function writeImage(parts: ImageReaderParts, image: LogImage, path: string): Promise<number> {
  const { fileSystem } = parts;
  const { base, segments } = image;
  let bytes = 0;
  for (const file of [...(base === undefined ? [] : [base]), ...segments]) {
    const source = await fileSystem.open(file.path, 'read');
    try {
      if ((await source.stat()).sizeBytes < file.bytes) throw new LogMovedError(`${file.path} was cut`);
      await copyRange(fileSystem, source, 0, file.bytes, `${path}/${file.name}`);
    } finally {
      await source.close();
    }
    bytes += file.bytes;
    await parts.clock.yield();
  }
  await fileSystem.syncDirectory(path);
  return bytes;
}

/** Removes the files of a directory that a drill made, so that the next one has the room. */
export async function removeFiles({ fileSystem }: ImageReaderParts, path: string): Promise<void> {
  if ((await fileSystem.stat(path)) === undefined) return;
  for (const name of await fileSystem.readDirectory(path)) {
    const stat = await fileSystem.stat(`${path}/${name}`);
    if (stat?.isDirectory === false) await fileSystem.remove(`${path}/${name}`);
  }
}

/** Recovers the state in `directory`, and closes its log in order. Throws `WalOpenError` as a start would. */
export async function recoverShadow(parts: ShadowParts, directory: WalDirectory): Promise<Recovered> {
  const { clock } = parts;
  const startedMs = clock.monotonicMs();
  const { engine } = await openEngine(directory, { ...parts, ...SHADOW_LOG }, () => {});
  const elapsedMs = clock.monotonicMs() - startedMs;
  const recovered = describe(engine, elapsedMs);
  engine.release();
  await engine.log.close();
  return recovered;
}

function describe({ applied, store }: Engine, elapsedMs: number): Recovered {
  return { position: applied, entries: store.entries, digest: store.stateDigest(), elapsedMs };
}

/** A shadow writes no records, so these values have no effect. */
const SHADOW_LOG = {
  fsync: 'always',
  syncIntervalMs: 1_000,
  requestedSyncGapMs: 0,
  maxFileBytes: 100_000_000,
  retentionBytes: Number.MAX_SAFE_INTEGER,
  snapshotEveryBytes: Number.MAX_SAFE_INTEGER,
} as const;
