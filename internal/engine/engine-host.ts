/**
 * The life of one data directory: which engine stands on it now. A master's
 * engine stays; a replica's is replaced when it adopts a log, installs a
 * snapshot, cuts a tail or discards what it has. Each change is committed by
 * one replacement of MANIFEST, so a crash leaves the old state or the new one.
 */

import { rememberTail } from '#engine/aside-pruner.ts';
import { Checkpointer } from '#engine/checkpoint.ts';
import { DelayedApply, NO_HOLD } from '#engine/delayed-apply.ts';
import type { Engine } from '#engine/engine.ts';
import { amendManifest, manifestOf, pathIn } from '#engine/manifest-access.ts';
import { type Base, type EngineOptions, loadSnapshot, openEngine } from '#engine/open-engine.ts';
import type { RecoveryProgress } from '#engine/recovery-meter.ts';
import type { DivergedTail, DivergedWhy } from '#model/diverged.ts';
import { WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { CheckpointAnswer, DelayAnswer, DelayControl } from '#model/status.ts';
import { checkBelieved } from '#model/terms.ts';
import { assert } from '#platform/assert.ts';
import { Listeners } from '#platform/listeners.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { cutLog } from '#wal/cut-log.ts';
import { formatSnapshotName, parseSnapshotName } from '#wal/file-names.ts';
import type { ApplyHold, Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { WalReadError } from '#wal/wal-errors.ts';

/** The name a snapshot has while it arrives; excluded by every MANIFEST. */
const INCOMING = 'incoming.snapshot.tmp';

/** So many tails are listed; the files of others stay, unless somebody has read them. */
const DIVERGED_MAX = 64;

/** Which records are left, and why. */
export interface DivergedFrom extends DivergedWhy {
  /** The last record that stays, or that the other history has too. */
  readonly commonLsn: Lsn;
}

export class EngineHost {
  readonly directory: WalDirectory;
  readonly options: EngineOptions;
  readonly #onProgress: (progress: RecoveryProgress) => void;
  #engine: Engine | undefined;
  #checkpointer: Checkpointer | undefined;
  #delayed: DelayedApply | undefined;
  #wasClean = true;

  /** Each engine that takes over, before it serves. */
  readonly engines = new Listeners<Engine>();

  constructor(
    directory: WalDirectory,
    options: EngineOptions,
    onProgress: (progress: RecoveryProgress) => void,
  ) {
    this.directory = directory;
    this.options = options;
    this.#onProgress = onProgress;
  }

  /** Undefined on a replica that has not adopted a log yet, and while loading. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** Whether the log ended with a clean stop when it was opened. */
  get wasClean(): boolean {
    return this.#wasClean;
  }

  get manifest(): Manifest {
    return manifestOf(this.directory);
  }

  /** Recovers what the directory holds. `logId` must be set in MANIFEST. */
  open(): Promise<Engine> {
    return this.#open();
  }

  async #open(loaded?: Base): Promise<Engine> {
    assert(this.#engine === undefined, 'one engine at a time');
    const opened = await openEngine(this.directory, this.options, this.#onProgress, loaded);
    const checkpointer = new Checkpointer(this.directory, this.options, opened.engine, opened.replayedBytes);
    opened.engine.log.holdBack = () => checkpointer.holdBack();
    opened.engine.appliedFrames.subscribe((frame) => checkpointer.noteAppended(frame.frameBytes));
    this.#wasClean = opened.wasClean;
    this.#engine = opened.engine;
    this.#checkpointer = checkpointer;
    this.#delayed = opened.delayed;
    this.engines.tell(opened.engine);
    opened.delayed?.start();
    return opened.engine;
  }

  /**
   * Gives up the state in memory and recovers it from the snapshot and the log:
   * for memory that is not what the log says. `onClosed` lets go of the old one,
   * so that the two are not in memory at once. Throws as `open` does; then no
   * engine is open.
   */
  async rebuild(onClosed: () => void): Promise<Engine> {
    await this.#closeEngine();
    onClosed();
    return this.open();
  }

  /** On a replica that applies late: how far it is. */
  get delayed(): DelayedApply | undefined {
    return this.#delayed;
  }

  /**
   * Lets through what a delay holds back, stops it, or lets it go on; resolves
   * when what is released is applied. Kept over restarts. Throws
   * `failed_precondition` where nothing is applied late, `out_of_range` for an
   * LSN that is not held.
   */
  async controlDelay(control: DelayControl, signal?: AbortSignal): Promise<DelayAnswer> {
    const engine = this.#engine;
    const delayed = this.#delayed;
    if (engine === undefined || delayed === undefined) {
      throw new WalnutError(
        'failed_precondition',
        'this node applies what it logs at once: replication.apply_delay of a replica is 0s',
      );
    }
    const hold = holdFor(control, engine);
    // Stopping is urgent; MANIFEST follows.
    delayed.hold = hold;
    await amendManifest(this.directory, { applyHold: hold });
    if (hold.uptoLsn > 0) await delayed.untilApplied(hold.uptoLsn as Lsn, signal);
    return { position: engine.position, durableLsn: engine.durableLsn, delay: delayed.status };
  }

  /** From here on what is logged is applied at once: a master's. Everything must be applied. */
  async endDelay(): Promise<void> {
    await this.#delayed?.close();
    this.#delayed = undefined;
    this.#engine?.setHolding(false);
  }

  /** From here on what is logged is applied late, where that is configured: a replica's. Everything must be applied. */
  beginDelay(): void {
    const { applyDelayMs = 0, clock } = this.options;
    if (applyDelayMs === 0 || this.#engine === undefined || this.#delayed !== undefined) return;
    this.#engine.setHolding(true);
    this.#delayed = new DelayedApply(this.#engine, clock, applyDelayMs, NO_HOLD);
    this.#delayed.start();
  }

  checkpoint(): Promise<CheckpointAnswer> {
    assert(this.#checkpointer !== undefined, 'an engine is open');
    return this.#checkpointer.run();
  }

  /** Replica without a log: takes on its master's. */
  async adopt(logId: string, term: number): Promise<Engine> {
    await this.#amendRaising(term, { logId });
    return this.open();
  }

  /** Where an arriving snapshot is to be written. */
  get incomingPath(): string {
    return pathIn(this.directory, INCOMING);
  }

  /**
   * Replica: replaces everything by the snapshot at `incomingPath`, which must be
   * complete and fdatasynced. It is checked whole before anything is given up;
   * throws `SnapshotError` and changes nothing where it is damaged or of another log,
   * and `cancelled` where `signal` ends the check.
   */
  async installSnapshot(logId: string, signal?: AbortSignal, diverged?: DivergedFrom): Promise<Engine> {
    const { fileSystem } = this.options;
    const loaded = await loadSnapshot(this.incomingPath, this.options, () => {}, signal);
    const { meta } = loaded;
    if (meta.logId !== logId) throw new SnapshotError(0, `it belongs to log ${meta.logId}, not to ${logId}`);
    const name = formatSnapshotName(meta.position);
    const left = await this.#leave(diverged);
    await this.#closeEngine();
    await fileSystem.rename(this.incomingPath, pathIn(this.directory, name));
    await this.directory.syncNames();
    const lowestSegment = await this.directory.nextSegmentSeq();
    const emptied = { logId, snapshot: name, lowestSegment, applyHold: undefined };
    const step = meta.formatLevel > 0 ? ({ format: 2 } as const) : {};
    await amendManifest(this.directory, { ...emptied, ...left, ...step });
    await this.directory.sweepAside();
    return this.#open(loaded);
  }

  /**
   * Replica: moves what it holds beyond `common` to `aside/` and recovers the
   * state at it from the base snapshot. Undefined where that snapshot is newer,
   * or the log is damaged there: then only a full resync helps.
   */
  async cutTo(common: Position, why: DivergedWhy): Promise<Engine | undefined> {
    const baseLsn = this.#baseLsn;
    if (baseLsn > common.lsn) return undefined;
    const point = await this.#pointAt(common.lsn);
    if (point === undefined && common.lsn !== baseLsn) return undefined;
    const left = await this.#leave({ ...why, commonLsn: common.lsn });
    await this.#closeEngine();
    // A checkpoint that ran until now may have published a base beyond it.
    if (this.#baseLsn > common.lsn) {
      await this.open();
      return undefined;
    }
    const { applyHold } = this.manifest;
    if (applyHold !== undefined && applyHold.uptoLsn > common.lsn) {
      // What was released beyond it is not the same record any more.
      await amendManifest(this.directory, { applyHold: { ...applyHold, uptoLsn: common.lsn } });
    }
    await cutLog(this.directory, point ?? { ...common, crc: 0 }, left);
    return this.open();
  }

  /**
   * Moves everything to `aside/` and is a fresh replica again; terms of that log
   * count no more. `role`: further fields of the same commit.
   */
  async discard(why: DivergedWhy, role: Partial<Manifest> = {}): Promise<void> {
    const left = await this.#leave({ ...why, commonLsn: 0 as Lsn });
    await this.#closeEngine();
    const lowestSegment = await this.directory.nextSegmentSeq();
    await amendManifest(this.directory, {
      logId: '',
      term: 0,
      snapshot: '',
      lowestSegment,
      quarantine: null,
      applyHold: undefined,
      ...role,
      ...left,
    });
    await this.directory.sweepAside();
  }

  /** What MANIFEST is to remember of the records beyond the common one: part of the commit that leaves them. */
  async #leave(from: DivergedFrom | undefined): Promise<Partial<Manifest>> {
    const log = this.#engine?.log;
    if (from === undefined || log === undefined || log.tail.lsn <= from.commonLsn) return {};
    const { commonLsn, ...why } = from;
    const segments = await this.directory.segments();
    const holder = segments.findLast(({ firstLsn }) => firstLsn <= commonLsn + 1) ?? segments[0];
    const last = segments.at(-1);
    if (holder === undefined || last === undefined) return {};
    const before = this.manifest.diverged ?? [];
    const tail: DivergedTail = {
      ...why,
      id: (before.at(-1)?.id ?? 0) + 1,
      fromLsn: Math.max(commonLsn + 1, log.earliestLsn) as Lsn,
      last: { epoch: log.tail.epoch, lsn: log.tail.lsn },
      segments: [holder.seq, last.seq],
    };
    return rememberTail(this.manifest, tail, DIVERGED_MAX);
  }

  /**
   * The highest term of its log that this node has persisted; undefined where it
   * holds no log, so that any term of the first one is news.
   */
  get knownTerm(): number | undefined {
    const { logId, term } = this.manifest;
    return logId === '' ? undefined : term;
  }

  /**
   * Remembers a term that another node stated, before it is answered; a lower one
   * changes nothing. Throws `failed_precondition` where it is not believed.
   */
  async raiseTerm(term: number): Promise<void> {
    if (term > this.manifest.term) checkBelieved(term, this.knownTerm);
    await this.saveTerm(term);
  }

  /** Remembers a term that was believed before, or chosen here; a lower one changes nothing. */
  async saveTerm(term: number): Promise<void> {
    if (term > this.manifest.term) await this.#amendRaising(term, {});
  }

  async close(): Promise<void> {
    try {
      await this.#closeEngine();
    } finally {
      await this.directory.close();
    }
  }

  /** The term is compared inside the update: two that run at once never lower it. */
  #amendRaising(term: number, fields: Partial<Manifest>): Promise<void> {
    return this.directory.update((current) => {
      assert(current !== undefined, 'the directory is initialised');
      return { ...current, ...fields, term: Math.max(term, current.term) };
    });
  }

  async #pointAt(lsn: number): Promise<ChainPoint | undefined> {
    try {
      return await this.#engine?.log.lookup(lsn);
    } catch (error) {
      if (error instanceof WalReadError) return undefined;
      throw error;
    }
  }

  get #baseLsn(): number {
    return parseSnapshotName(this.manifest.snapshot)?.lsn ?? 0;
  }

  async #closeEngine(): Promise<void> {
    const engine = this.#engine;
    if (engine === undefined) return;
    await this.#delayed?.close();
    await this.#checkpointer?.close();
    this.#delayed = undefined;
    this.#engine = undefined;
    this.#checkpointer = undefined;
    engine.release();
    await engine.log.close();
  }
}

function holdFor(control: DelayControl, engine: Engine): ApplyHold {
  const appliedLsn = engine.applied.lsn;
  switch (control.kind) {
    case 'pause':
      return { uptoLsn: appliedLsn, isHeld: true };
    case 'resume':
      return { uptoLsn: appliedLsn, isHeld: false };
    case 'release_all':
      return { uptoLsn: engine.committedLsn, isHeld: false };
    case 'release_to':
      if (control.lsn < appliedLsn || control.lsn > engine.committedLsn) {
        throw new WalnutError(
          'out_of_range',
          `LSN ${control.lsn} is not held: ${appliedLsn} is applied, the log ends at ${engine.committedLsn}`,
        );
      }
      return { uptoLsn: control.lsn, isHeld: !control.goesOn };
  }
}
