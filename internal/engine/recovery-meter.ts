/**
 * How far a recovery is: bytes of the snapshot and of the log behind it counted
 * together, and what that says of the time left. The rate is the mean since the
 * recovery began, so the estimate is rough where snapshot and log differ.
 */
import type { RecoveryStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import { parseSnapshotName } from '#wal/file-names.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export type RecoveryProgress = RecoveryStatus;

/** Nothing was read yet. */
export const RECOVERY_NOT_BEGUN: RecoveryProgress = {
  phase: 'snapshot',
  fraction: 0,
  records: 0,
  recordsPerS: 0,
  bytesDone: 0,
  bytesTotal: 0,
  elapsedMs: 0,
  etaMs: undefined,
};

export class RecoveryMeter {
  readonly #clock: Clock;
  readonly #onProgress: (progress: RecoveryProgress) => void;
  readonly #startMs: number;
  readonly #snapshotBytes: number;
  #logBytes: number;
  #logStartMs: number | undefined;
  #records = 0;

  constructor(clock: Clock, bytes: RecoveryBytes, onProgress: (progress: RecoveryProgress) => void) {
    this.#clock = clock;
    this.#onProgress = onProgress;
    this.#startMs = clock.monotonicMs();
    this.#snapshotBytes = bytes.snapshotBytes;
    this.#logBytes = bytes.logBytes;
  }

  snapshot(bytesDone: number): void {
    this.#tell('snapshot', bytesDone);
  }

  log(bytesDone: number, bytesTotal: number, records: number): void {
    this.#logStartMs ??= this.#clock.monotonicMs();
    this.#logBytes = bytesTotal;
    this.#records = records;
    this.#tell('log', this.#snapshotBytes + bytesDone);
  }

  done(): void {
    this.#tell('done', this.#snapshotBytes + this.#logBytes);
  }

  #tell(phase: RecoveryProgress['phase'], bytesDone: number): void {
    const nowMs = this.#clock.monotonicMs();
    const bytesTotal = this.#snapshotBytes + this.#logBytes;
    const elapsedMs = nowMs - this.#startMs;
    const fraction = phase === 'done' || bytesTotal === 0 ? 1 : Math.min(1, bytesDone / bytesTotal);
    const logMs = nowMs - (this.#logStartMs ?? nowMs);
    this.#onProgress({
      phase,
      fraction,
      records: this.#records,
      recordsPerS: logMs <= 0 ? 0 : Math.round((this.#records * 1_000) / logMs),
      bytesDone,
      bytesTotal,
      elapsedMs: Math.round(elapsedMs),
      etaMs: fraction === 0 ? undefined : Math.round((elapsedMs * (1 - fraction)) / fraction),
    });
  }
}

export interface RecoveryBytes {
  readonly snapshotBytes: number;
  readonly logBytes: number;
}

/** The bytes that a recovery will read: the base snapshot, and the segments that contain the records after it. */
export async function bytesToRecover(directory: WalDirectory): Promise<RecoveryBytes> {
  const { fileSystem, path, manifest } = directory;
  const sizeOf = async (name: string): Promise<number> =>
    (await fileSystem.stat(`${path}/${name}`))?.sizeBytes ?? 0;
  const snapshot = manifest?.snapshot ?? '';
  const baseLsn = parseSnapshotName(snapshot)?.lsn ?? 0;
  const segments = await directory.segments();
  const start = segments.findLastIndex(({ firstLsn }) => firstLsn <= baseLsn + 1);
  let logBytes = 0;
  for (const { name } of segments.slice(Math.max(0, start))) logBytes += await sizeOf(name);
  return { snapshotBytes: snapshot === '' ? 0 : await sizeOf(snapshot), logBytes };
}
