/**
 * Recovers a directory: loads the base snapshot and applies the log after it, by the
 * same code that applies writes. The result is the state after an exact prefix of
 * the log. If that is not possible it throws `WalOpenError` (exit code 3) and
 * changes nothing.
 */

import { DelayedApply, NO_HOLD } from '#engine/delayed-apply.ts';
import { Engine } from '#engine/engine.ts';
import { FormatStep } from '#engine/format-step.ts';
import { manifestOf, pathIn } from '#engine/manifest-access.ts';
import { RECORD_TYPE } from '#engine/records/record-kind.ts';
import { stateAt } from '#engine/records/state-at.ts';
import { bytesToRecover, RecoveryMeter, type RecoveryProgress } from '#engine/recovery-meter.ts';
import type { StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import type { FsyncPolicy } from '#model/fsync-policy.ts';
import { formatPosition, NO_LSN, termOf } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { messageOf } from '#platform/thrown.ts';
import { TimeSlices } from '#platform/time-slices.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import type { SnapshotMeta } from '#storage/snapshot-header.ts';
import { createSnapshotLoader } from '#storage/snapshot-loader.ts';
import { createStore, type Store } from '#storage/store.ts';
import { CHUNK_BYTES, ReadAheadChunks } from '#wal/chunk-source.ts';
import { formatSnapshotName } from '#wal/file-names.ts';
import { FRAME_HEADER_BYTES } from '#wal/frame.ts';
import { openLog } from '#wal/log.ts';
import type { LogMeter } from '#wal/log-meter.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { ADVISE_UPGRADE, adviseRepair, orUnusable, WalOpenError } from '#wal/wal-errors.ts';

/** What an engine needs besides its directory. Sizes in bytes, times in milliseconds. */
export interface EngineOptions {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly fsync: FsyncPolicy;
  /** At `interval`: how often the log is fdatasynced. */
  readonly syncIntervalMs: number;
  /** The least time between two fdatasyncs that someone waits for. */
  readonly requestedSyncGapMs: number;
  readonly maxFileBytes: number;
  /** See `OpenLogOptions`. */
  readonly writeNowBytesMax?: number | undefined;
  /** Bytes of log that are kept for replicas although the snapshot covers them. */
  readonly retentionBytes: number;
  /** A checkpoint is made after this much log. */
  readonly snapshotEveryBytes: number;
  /** Bytes of changed entries that may wait for the disk while a snapshot is written; default: 64 MiB. */
  readonly snapshotPendingBytesMax?: number | undefined;
  readonly logMeter?: LogMeter | undefined;
  /** On a replica: how long after its master it applies what it logs; 0, the default: at once. */
  readonly applyDelayMs?: number | undefined;
  /** See `StoreOptions`. */
  readonly sharesValues?: boolean | undefined;
}

export interface OpenedEngine {
  readonly engine: Engine;
  /** True if the log ended with a clean stop. */
  readonly wasClean: boolean;
  /** The term of the last DATA record that was replayed; 0: none was. */
  readonly dataTerm: number;
  /** Bytes of log applied on top of the snapshot: they count towards the next checkpoint. */
  readonly replayedBytes: number;
  /** On a delayed replica: the application of records, not started yet. */
  readonly delayed: DelayedApply | undefined;
}

/** Limits until a CONFIG record or a snapshot says otherwise. */
const UNLIMITED: StoreLimits = { entriesMax: 0, bytesMax: 0, policy: 'lru' };
/** Bytes of a snapshot that are loaded between two readings of the clock; about one block of it. */
const PUSH_BYTES = 64 * 1_024;
const NO_RECORD: ChainPoint = { epoch: 0, lsn: NO_LSN, crc: 0 };

/**
 * Recovers the state in `directory`, whose MANIFEST must be there, and opens its
 * log for appending. `loaded`: its base snapshot, where that was read just now.
 */
export async function openEngine(
  directory: WalDirectory,
  options: EngineOptions,
  onProgress: (progress: RecoveryProgress) => void,
  loaded?: Base,
): Promise<OpenedEngine> {
  const manifest = manifestOf(directory);
  const bytes = await orUnusable(directory.path, () => bytesToRecover(directory));
  const meter = new RecoveryMeter(options.clock, bytes, onProgress);
  const base =
    loaded ?? (await loadBase(directory, manifest.snapshot, options, (bytes) => meter.snapshot(bytes)));
  const from = base.meta?.position ?? NO_RECORD;
  const formats = new FormatStep(directory);
  if ((base.meta?.formatLevel ?? 0) > 0) formats.meet();
  const delayMs = manifest.role === 'replica' ? (options.applyDelayMs ?? 0) : 0;
  const engine = new Engine({
    clock: options.clock,
    logger: options.logger,
    ...stateAt(options.clock, base.store, base.meta),
    formats,
    applied: from,
    appliedClockMs: base.meta?.logClockMs ?? 0,
    holds: delayMs > 0,
  });
  let replayedBytes = 0;
  let dataTerm = 0;
  const { log, wasClean } = await openLog({
    ...options,
    meter: options.logMeter,
    directory,
    from,
    logId: manifest.logId,
    onFrame: (frame) => {
      if (delayMs > 0) return engine.hold(frame);
      engine.replay(frame);
      if (frame.type === RECORD_TYPE.data) dataTerm = termOf(frame.epoch);
      replayedBytes += FRAME_HEADER_BYTES + frame.payloadBytes;
    },
    onProgress: ({ bytesDone, bytesTotal, records }) => meter.log(bytesDone, bytesTotal, records),
  });
  engine.attach(log);
  engine.logClock.restart(engine.lastTimestampMs);
  const delayed =
    delayMs > 0 ? new DelayedApply(engine, options.clock, delayMs, manifest.applyHold ?? NO_HOLD) : undefined;
  try {
    if (delayed !== undefined) replayedBytes = await delayed.applyDue();
    if (formats.isDue) await takeStep(formats, options.logger);
  } catch (error) {
    await log.close();
    throw error;
  }
  meter.done();
  return { engine, wasClean, dataTerm, replayedBytes, delayed };
}

/** Without room for it the node serves reads; the next write that needs it tries again. */
async function takeStep(formats: FormatStep, logger: Logger): Promise<void> {
  try {
    await formats.take();
  } catch (error) {
    if (!(error instanceof WalnutError)) throw error;
    logger.warn({ err: error }, 'MANIFEST does not say yet that the log needs a newer reader');
  }
}

/** The content of the snapshot that MANIFEST names. */
export interface Base {
  readonly store: Store;
  readonly meta: SnapshotMeta | undefined;
}

async function loadBase(
  directory: WalDirectory,
  name: string,
  options: EngineOptions,
  onProgress: (bytesDone: number) => void,
): Promise<Base> {
  if (name === '')
    return { store: createStore({ limits: UNLIMITED, ...storeOptionsOf(options) }), meta: undefined };
  const path = pathIn(directory, name);
  const loaded = await loadSnapshot(path, options, onProgress).catch((error: unknown) => {
    throw unusableSnapshot(directory, path, error);
  });
  checkBelongs(directory, path, loaded.meta);
  return loaded;
}

function unusableSnapshot(directory: WalDirectory, path: string, error: unknown): WalOpenError {
  const why = messageOf(error);
  if (!(error instanceof SnapshotError) && (error as NodeJS.ErrnoException).code !== 'ENOENT') {
    return new WalOpenError('unusable', `snapshot ${path} cannot be read: ${why}`, error);
  }
  if (error instanceof SnapshotError && error.isNewer) {
    const message = `snapshot ${path} cannot be used: ${why}. Nothing was changed. ${ADVISE_UPGRADE}`;
    return new WalOpenError('newer', message, error);
  }
  return new WalOpenError(
    'corrupt',
    `snapshot ${path} cannot be used: ${why}. It contains state that the log no longer has. ` +
      'On a replica, move the directory away and start again to fetch everything from the master; ' +
      `on a master, restore it from a backup or a replica. ${adviseRepair(directory.path)}`,
    error,
  );
}

/** Compares the snapshot with its name in MANIFEST: a snapshot file is valid under any name. */
function checkBelongs(directory: WalDirectory, path: string, meta: SnapshotMeta): void {
  const { logId, snapshot } = manifestOf(directory);
  if (meta.logId !== logId) {
    throw new WalOpenError(
      'foreign',
      `snapshot ${path} belongs to log ${meta.logId}, this directory to log ${logId}. Nothing was changed. ` +
        `Look with: walnut wal inspect ${directory.path}`,
    );
  }
  const { epoch, lsn } = meta.position;
  if (formatSnapshotName({ epoch, lsn }) !== snapshot) {
    throw new WalOpenError(
      'corrupt',
      `snapshot ${path} is that of position ${formatPosition(meta.position)}, not of the one in its name. ` +
        `Nothing was changed. ${adviseRepair(directory.path)}`,
    );
  }
}

/** Reads and checks a whole snapshot file in slices. Throws `SnapshotError` on damage, `cancelled` by `signal`. */
export async function loadSnapshot(
  path: string,
  options: Pick<EngineOptions, 'fileSystem' | 'clock' | 'random' | 'sharesValues'>,
  onProgress: (bytesDone: number) => void,
  signal?: AbortSignal,
): Promise<{ store: Store; meta: SnapshotMeta; entries: number }> {
  const file = await options.fileSystem.open(path, 'read');
  try {
    const { sizeBytes } = await file.stat();
    const loader = createSnapshotLoader(storeOptionsOf(options));
    const chunks = new ReadAheadChunks(file, 0, sizeBytes, CHUNK_BYTES);
    const slices = new TimeSlices(options.clock);
    for (let position = 0; position < sizeBytes; ) {
      const chunk = await chunks.load(position, 1);
      for (let at = 0; at < chunk.length; at += PUSH_BYTES) {
        loader.push(chunk.subarray(at, at + PUSH_BYTES));
        if (slices.isOver) await slices.next();
        checkWanted(signal);
      }
      position += chunk.length;
      onProgress(position);
    }
    const steps = loader.finishSlices();
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
      if (slices.isOver) await slices.next();
      checkWanted(signal);
    }
  } finally {
    await file.close();
  }
}

/** With a hash seed against chosen collisions, and the mark by which cursors of another run are told apart. */
function storeOptionsOf({ random, sharesValues }: Pick<EngineOptions, 'random' | 'sharesValues'>) {
  return { hashSeed: random.uint32(), incarnation: random.id128().slice(0, 8), sharesValues };
}

function checkWanted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new WalnutError('cancelled', 'loading the snapshot was given up');
}
