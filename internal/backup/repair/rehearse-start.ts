/**
 * Does what a start would do with a data directory, by the same code, and stops
 * before anything is written: base snapshot loaded and checked, log replayed,
 * payloads decoded and applied, damage judged. What comes out is whether a node
 * would start, and the state of the longest prefix that it could start from.
 *
 * The directory may be in use: no lock is taken and nothing is changed. Errors
 * of the file system come through; damage is an outcome.
 */
import { loadSnapshot } from '#engine/open-engine.ts';
import type { RecordState } from '#engine/records/record-kind.ts';
import { applyChecked } from '#engine/records/record-table.ts';
import { stateAt } from '#engine/records/state-at.ts';
import { formatPosition, type Lsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { silentLogger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { createReadOnlyFileSystem } from '#platform/read-only-file-system.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { createStore } from '#storage/store.ts';
import { formatSnapshotName, MANIFEST_NAME, parseSnapshotName } from '#wal/file-names.ts';
import type { Frame } from '#wal/frame.ts';
import { pointOf } from '#wal/frame-run.ts';
import { type Manifest, tryDecodeManifest } from '#wal/manifest.ts';
import { recoverLog } from '#wal/recovery.ts';
import { type OwnedDirectory, WalDirectory } from '#wal/wal-directory.ts';
import { type DamagePlace, WalOpenError } from '#wal/wal-errors.ts';
import { readWholeFile } from '#wal/whole-files.ts';

export interface RehearsalParts {
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: Random;
}

export type StartOutcome =
  /** `torn`: the torn tail that the start would cut off. */
  | { readonly kind: 'starts'; readonly torn: DamagePlace | undefined }
  /** `snapshot`, `log`: damaged or missing there; `newer`: of a format that this program does not know; `foreign`: a file of another log. */
  | Refusal;

export interface Refusal {
  readonly kind: 'refused';
  readonly what: 'snapshot' | 'log' | 'newer' | 'foreign';
  readonly place: DamagePlace;
}

/** With the state at `end`. */
export interface Rehearsal extends RecordState {
  readonly manifest: Manifest;
  readonly outcome: StartOutcome;
  /** The record the base snapshot was made at; zeros without one. */
  readonly from: ChainPoint;
  /** The last record of the longest valid prefix. */
  readonly end: ChainPoint;
  /** Log clock of that record, milliseconds; 0 if the snapshot contains it. */
  readonly endTimestampMs: number;
  /** Entries of the snapshot, and records read behind it. */
  readonly snapshotEntries: number;
  readonly records: number;
}

export const NO_RECORD: ChainPoint = { epoch: 0, lsn: 0 as Lsn, crc: 0 };

const ATTEMPTS = 5;
const PAUSE_MS = 100;

/** The manifest's bytes; undefined if there is none. */
export async function readManifestBytes(fileSystem: FileSystem, path: string): Promise<Buffer | undefined> {
  const file = `${path}/${MANIFEST_NAME}`;
  return (await fileSystem.stat(file)) === undefined ? undefined : readWholeFile(fileSystem, file);
}

/**
 * For a directory that may be in use: a refusal counts when it is found twice
 * at one place with no change of MANIFEST between.
 */
export async function rehearseSettled(parts: RehearsalParts, path: string): Promise<Rehearsal> {
  let lastRefusal = '';
  for (let attempt = 1; ; attempt++) {
    const before = await readManifestBytes(parts.fileSystem, path);
    const manifest = tryDecodeManifest(before ?? Buffer.alloc(0));
    if (typeof manifest === 'string') throw new Error(`${path}/${MANIFEST_NAME}: ${manifest}`);
    try {
      const rehearsal = await rehearseStart(parts, path, manifest);
      if (rehearsal.outcome.kind === 'starts' || attempt === ATTEMPTS) return rehearsal;
      const after = await readManifestBytes(parts.fileSystem, path);
      const refusal = after?.equals(before as Buffer) === true ? JSON.stringify(rehearsal.outcome) : '';
      if (refusal !== '' && refusal === lastRefusal) return rehearsal;
      lastRefusal = refusal;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === ATTEMPTS) throw error;
    }
    await parts.clock.sleep(PAUSE_MS);
  }
}

/** `isWithoutSnapshot` rehearses the start as if MANIFEST named no snapshot. */
export async function rehearseStart(
  parts: RehearsalParts,
  path: string,
  manifest: Manifest,
  isWithoutSnapshot = false,
): Promise<Rehearsal> {
  const readOnly = { ...parts, fileSystem: createReadOnlyFileSystem(parts.fileSystem) };
  const base = await loadBase(readOnly, path, isWithoutSnapshot ? { ...manifest, snapshot: '' } : manifest);
  const { state, from, snapshotEntries } = base;
  const rehearsal = {
    manifest,
    ...state,
    from,
    snapshotEntries,
    end: base.from,
    endTimestampMs: 0,
    records: 0,
  };
  if (base.refusal !== undefined) return { ...rehearsal, outcome: base.refusal };
  const replay = new Replay(readOnly, path, manifest, base);
  const outcome = await replay.run();
  const { end, endTimestampMs, records } = replay;
  return { ...rehearsal, outcome, end, endTimestampMs, records };
}

interface Base {
  readonly state: RecordState;
  readonly from: ChainPoint;
  readonly snapshotEntries: number;
  readonly refusal: Refusal | undefined;
}

async function loadBase(
  parts: RehearsalParts,
  path: string,
  { snapshot: name, logId }: Manifest,
): Promise<Base> {
  const store = createStore({ limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' } });
  const empty = {
    state: stateAt(parts.clock, store),
    from: NO_RECORD,
    snapshotEntries: 0,
    refusal: undefined,
  };
  if (name === '') return empty;
  const file = `${path}/${name}`;
  const lsn = parseSnapshotName(name)?.lsn ?? 0;
  const refuse = (what: Refusal['what'], byte: number, why: string): Base => {
    return { ...empty, refusal: { kind: 'refused', what, place: { file, byte, lsn, why } } };
  };
  try {
    const { store: loaded, meta, entries } = await loadSnapshot(file, parts, () => {});
    if (meta.logId !== logId) return refuse('foreign', 0, `it belongs to log ${meta.logId}`);
    // A snapshot is valid under any file name, so compare its position with the name in MANIFEST.
    if (formatSnapshotName(meta.position) !== name) {
      return refuse(
        'snapshot',
        0,
        `it is that of position ${formatPosition(meta.position)}, not of its name`,
      );
    }
    const state = stateAt(parts.clock, loaded, meta);
    return { state, from: meta.position, snapshotEntries: entries, refusal: undefined };
  } catch (error) {
    if (error instanceof SnapshotError)
      return refuse(error.isNewer ? 'newer' : 'snapshot', error.offset, error.why);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return refuse('snapshot', 0, 'the base snapshot is missing');
  }
}

const nothing = async (): Promise<void> => {};
/** Stands for the lock and the open directory: a reader takes no lock and changes no names. */
const NOTHING_OWNED: OwnedDirectory = {
  lock: { release: nothing },
  names: { sync: nothing, close: nothing },
};

class Replay {
  readonly #parts: RehearsalParts;
  readonly #directory: WalDirectory;
  readonly #manifest: Manifest;
  readonly #base: Base;
  end: ChainPoint;
  endTimestampMs = 0;
  records = 0;

  constructor(parts: RehearsalParts, path: string, manifest: Manifest, base: Base) {
    const { fileSystem } = parts;
    this.#parts = parts;
    this.#manifest = manifest;
    this.#base = base;
    this.end = base.from;
    this.#directory = new WalDirectory({ fileSystem, path, logger: silentLogger }, NOTHING_OWNED, manifest);
  }

  async run(): Promise<StartOutcome> {
    try {
      const { tailState } = await recoverLog({
        directory: this.#directory,
        clock: this.#parts.clock,
        logger: silentLogger,
        logId: this.#manifest.logId,
        from: this.#base.from,
        onFrame: (frame) => this.#take(frame),
      });
      if (tailState.kind !== 'unclean' || tailState.tornWhy === undefined)
        return { kind: 'starts', torn: undefined };
      const { segment, validEnd, tornWhy } = tailState;
      const torn = { file: segment.path, byte: validEnd, lsn: this.end.lsn + 1, why: tornWhy };
      return { kind: 'starts', torn };
    } catch (error) {
      if (!(error instanceof WalOpenError) || error.place === undefined) throw error;
      const what = error.kind === 'foreign' || error.kind === 'newer' ? error.kind : 'log';
      return { kind: 'refused', what, place: error.place };
    }
  }

  /** Throws if a payload cannot be applied; the log then counts as damaged there. */
  #take(frame: Frame): void {
    applyChecked(frame, this.#base.state);
    this.end = pointOf(frame);
    this.endTimestampMs = frame.timestampMs;
    this.records++;
  }
}
