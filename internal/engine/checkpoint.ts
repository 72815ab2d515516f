/**
 * Makes checkpoints: writes an exact snapshot of the state at one position, in
 * slices while writes continue, and publishes it in MANIFEST only after the log is
 * durable up to that position. Older log is deleted after that.
 *
 * If memory was altered, the checkpoint fails and the engine's owner is informed. A
 * failure before publishing leaves the old snapshot and the whole log; the temporary
 * file is deleted then, or at the next start.
 */

import type { Engine } from '#engine/engine.ts';
import { amendManifest, manifestOf, pathIn } from '#engine/manifest-access.ts';
import type { EngineOptions } from '#engine/open-engine.ts';
import { WalnutError } from '#model/errors.ts';
import type { CheckpointAnswer, CheckpointStatus } from '#model/status.ts';
import { messageOf } from '#platform/thrown.ts';
import { AlteredStateError } from '#storage/altered-state.ts';
import type { SnapshotScan } from '#storage/snapshot-scan.ts';
import { formatSnapshotName } from '#wal/file-names.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { writeFully } from '#wal/whole-files.ts';

/** Bytes that are written between two turns of the event loop. */
const SLICE_BYTES = 64 * 1_024;
/**
 * The snapshot is fdatasynced each time after this many bytes. A single fdatasync
 * at its end would keep the disk busy for long, and so delay the log.
 */
const SYNC_BYTES = 4 * 1_024 * 1_024;
/**
 * Bytes of pre-images and blocks that may wait for the disk. Above this limit the log
 * waits until half of them are written. Otherwise writes could fill memory with a
 * second copy of the store while a slow disk writes the snapshot.
 */
const PENDING_BYTES_DEFAULT = 64 * 1_024 * 1_024;
/** How long a checkpoint waits for the log to become durable up to the snapshot's position. */
const DURABLE_TIMEOUT_MS = 60_000;

/** What became of the checkpoints of a node, whichever engine made them. */
export class CheckpointOutcomes {
  #failures = 0;
  #why = '';

  get status(): CheckpointStatus {
    return { failures: this.#failures, why: this.#why };
  }

  /** The directory has a new snapshot. */
  made(): void {
    this.#why = '';
  }

  failed(error: unknown): void {
    this.#failures += 1;
    this.#why = messageOf(error);
  }
}

/** What the engines of one node have in common. */
export interface CheckpointPlace {
  readonly directory: WalDirectory;
  readonly options: EngineOptions;
  readonly checkpoints: CheckpointOutcomes;
}

export class Checkpointer {
  readonly #directory: WalDirectory;
  readonly #options: EngineOptions;
  readonly #engine: Engine;
  readonly #outcomes: CheckpointOutcomes;
  #running: Promise<CheckpointAnswer> | undefined;
  #bytesSince: number;
  #isClosed = false;
  #scan: SnapshotScan | undefined;
  /** Resolved when the log may continue. */
  #room: PromiseWithResolvers<void> | undefined;

  /** `bytesSince` is the number of bytes of log after the newest snapshot at the start. */
  constructor({ directory, options, checkpoints }: CheckpointPlace, engine: Engine, bytesSince: number) {
    this.#directory = directory;
    this.#options = options;
    this.#engine = engine;
    this.#outcomes = checkpoints;
    this.#bytesSince = bytesSince;
  }

  /** Counts log written; begins a checkpoint in the background when `snapshot.every` is reached. */
  noteAppended(bytes: number): void {
    this.#bytesSince += bytes;
    if (this.#bytesSince < this.#options.snapshotEveryBytes || this.#running !== undefined || this.#isClosed)
      return;
    this.#bytesSince = 0;
    this.run().catch((error: unknown) => {
      this.#options.logger.warn(
        { err: error },
        'checkpoint failed; the log is kept and it is tried again later',
      );
    });
  }

  get #pendingBytesMax(): number {
    return this.#options.snapshotPendingBytesMax ?? PENDING_BYTES_DEFAULT;
  }

  /** The promise that the log must wait for before it writes the next batch; undefined while memory allows. */
  holdBack(): Promise<void> | undefined {
    if (this.#scan === undefined || this.#scan.pendingBytes <= this.#pendingBytesMax) return undefined;
    this.#room ??= Promise.withResolvers();
    return this.#room.promise;
  }

  /** Makes a checkpoint now, or joins the one that runs. */
  run(): Promise<CheckpointAnswer> {
    this.#running ??= this.#tell(this.#make()).finally(() => {
      this.#running = undefined;
      this.#scan = undefined;
      this.#giveRoom();
    });
    return this.#running;
  }

  /** One that is abandoned because the node stops has not failed. */
  async #tell(checkpoint: Promise<CheckpointAnswer>): Promise<CheckpointAnswer> {
    try {
      const answer = await checkpoint;
      this.#outcomes.made();
      return answer;
    } catch (error) {
      if (!this.#isClosed) this.#outcomes.failed(error);
      throw error;
    }
  }

  /** Waits for a running checkpoint to stop; it is abandoned at its next slice. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running?.catch(() => undefined);
  }

  async #make(): Promise<CheckpointAnswer> {
    const { fileSystem, logger, clock } = this.#options;
    const engine = this.#engine;
    const startedMs = clock.monotonicMs();
    const position = engine.applied;
    const entries = engine.store.entries;
    const formatLevel = engine.formats.level;
    this.#bytesSince = 0;
    const scan = engine.store.beginSnapshot({
      logId: manifestOf(this.#directory).logId,
      position,
      epochs: engine.epochs.starts(),
      logClockMs: engine.stateClockMs(),
      limits: engine.store.limits,
      wallOffsetMs: engine.logClock.wallOffsetMs,
      times: engine.times.rows(),
      members: engine.store.members.current,
      ownership: engine.store.ownership.current,
      formatLevel,
    });
    this.#scan = scan;
    const name = formatSnapshotName(position);
    const path = pathIn(this.#directory, name);
    const temporary = `${path}.tmp`;
    let snapshotBytes: number;
    try {
      snapshotBytes = await this.#write(scan, temporary);
      if (!(await engine.waitDurable(position.lsn, DURABLE_TIMEOUT_MS))) {
        throw new WalnutError('unavailable', 'the log did not become durable in time for the snapshot');
      }
      await fileSystem.rename(temporary, path);
      await this.#directory.syncNames();
    } catch (error) {
      scan.cancel();
      await fileSystem.remove(temporary).catch(() => undefined);
      if (error instanceof AlteredStateError) engine.altered.tell(`a checkpoint: ${error.message}`);
      throw error;
    }
    const deletedSegments = await this.#publish(name, position.lsn, formatLevel);
    const seconds = (clock.monotonicMs() - startedMs) / 1_000;
    logger.info({ lsn: position.lsn, entries, snapshotBytes, deletedSegments, seconds }, 'checkpoint made');
    return {
      position: { epoch: position.epoch, lsn: position.lsn },
      entries,
      snapshotBytes,
      deletedSegments,
    };
  }

  async #write(scan: SnapshotScan, path: string): Promise<number> {
    const file = await this.#options.fileSystem.open(path, 'replace');
    try {
      let bytes = 0;
      let synced = 0;
      for (let slice = scan.next(SLICE_BYTES); slice !== undefined; slice = scan.next(SLICE_BYTES)) {
        if (this.#isClosed) throw new WalnutError('unavailable', 'the node is stopping');
        await writeFully(file, slice, bytes);
        bytes += slice.length;
        if (bytes - synced >= SYNC_BYTES) {
          await file.datasync();
          synced = bytes;
        }
        if (scan.pendingBytes * 2 <= this.#pendingBytesMax) this.#giveRoom();
        await this.#options.clock.yield();
      }
      await file.datasync();
      return bytes;
    } finally {
      await file.close();
    }
  }

  #giveRoom(): void {
    this.#room?.resolve();
    this.#room = undefined;
  }

  async #publish(name: string, lsn: Engine['applied']['lsn'], formatLevel: number): Promise<number> {
    const old = manifestOf(this.#directory).snapshot;
    await amendManifest(this.#directory, { snapshot: name, ...(formatLevel > 0 ? { format: 2 } : {}) });
    if (old !== '' && old !== name) {
      // MANIFEST no longer names it: if it cannot be deleted, the next start moves it to aside/.
      await this.#options.fileSystem.remove(pathIn(this.#directory, old)).catch((error: unknown) => {
        this.#options.logger.warn({ err: error, snapshot: old }, 'the snapshot before could not be deleted');
      });
    }
    return this.#engine.log.compact(lsn);
  }
}
