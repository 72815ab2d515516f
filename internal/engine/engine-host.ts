/**
 * Owns a data directory and the engine that is open on it. A replica's engine is
 * replaced when the replica adopts a log, installs a snapshot, cuts a tail or
 * discards its data. One replacement of MANIFEST commits each change, so a crash
 * leaves either the old state or the new one.
 */

import { holdFor } from '#engine/apply-hold.ts';
import { Checkpointer, CheckpointOutcomes } from '#engine/checkpoint.ts';
import { DelayedApply, NO_HOLD } from '#engine/delayed-apply.ts';
import { type DivergedFrom, leavingTail } from '#engine/diverged-from.ts';
import type { Engine } from '#engine/engine.ts';
import { newIncarnation } from '#engine/incarnation.ts';
import { amendManifest, manifestOf, pathIn } from '#engine/manifest-access.ts';
import {
  type Base,
  type EngineOptions,
  loadSnapshot,
  type OpenedEngine,
  openEngine,
} from '#engine/open-engine.ts';
import type { RecoveryProgress } from '#engine/recovery-meter.ts';
import type { DivergedWhy } from '#model/diverged.ts';
import { WalnutError } from '#model/errors.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { CheckpointAnswer, DelayAnswer, DelayControl } from '#model/status.ts';
import { checkBelieved } from '#model/terms.ts';
import { assert } from '#platform/assert.ts';
import { Listeners } from '#platform/listeners.ts';
import { SnapshotError } from '#storage/snapshot-bytes.ts';
import { cutLog } from '#wal/cut-log.ts';
import { formatSnapshotName, INCOMING_NAME, parseSnapshotName } from '#wal/file-names.ts';
import type { Manifest } from '#wal/manifest.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';
import { WalReadError } from '#wal/wal-errors.ts';

export class EngineHost {
  readonly directory: WalDirectory;
  readonly options: EngineOptions;
  readonly checkpoints = new CheckpointOutcomes();
  readonly #onProgress: (progress: RecoveryProgress) => void;
  #engine: Engine | undefined;
  #checkpointer: Checkpointer | undefined;
  #delayed: DelayedApply | undefined;
  #recovered: Pick<OpenedEngine, 'wasClean' | 'dataTerm'> = { wasClean: true, dataTerm: 0 };

  /** Tells each new engine, before it serves. */
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

  /** Undefined while loading, and on a replica that has not adopted a log yet. */
  get engine(): Engine | undefined {
    return this.#engine;
  }

  /** True if the log ended with a clean stop when it was opened. */
  get wasClean(): boolean {
    return this.#recovered.wasClean;
  }

  /** The term of the last DATA record that was replayed as the log was opened; 0: none was. */
  get dataTerm(): number {
    return this.#recovered.dataTerm;
  }

  get manifest(): Manifest {
    return manifestOf(this.directory);
  }

  /** Recovers the state in the directory. `logId` must be set in MANIFEST. */
  open(): Promise<Engine> {
    return this.#open();
  }

  async #open(loaded?: Base): Promise<Engine> {
    assert(this.#engine === undefined, 'one engine at a time');
    const opened = await openEngine(this.directory, this.options, this.#onProgress, loaded);
    const checkpointer = new Checkpointer(this, opened.engine, opened.replayedBytes);
    opened.engine.log.holdBack = () => checkpointer.holdBack();
    opened.engine.appliedFrames.subscribe((frame) => checkpointer.noteAppended(frame.frameBytes));
    this.#recovered = { wasClean: opened.wasClean, dataTerm: opened.dataTerm };
    this.#engine = opened.engine;
    this.#checkpointer = checkpointer;
    this.#delayed = opened.delayed;
    this.engines.tell(opened.engine);
    opened.delayed?.start();
    return opened.engine;
  }

  /**
   * Recovers the state from the snapshot and the log again, when the state in memory
   * was found to differ from them. In `onClosed` the caller must drop its references
   * to the old engine, so that two states are not in memory at once. Throws as `open`
   * does; no engine is open then.
   */
  async rebuild(onClosed: () => void): Promise<Engine> {
    await this.#closeEngine();
    onClosed();
    return this.open();
  }

  /** The application of records on a delayed replica; undefined on any other node. */
  get delayed(): DelayedApply | undefined {
    return this.#delayed;
  }

  /**
   * Releases records of a delayed replica, pauses applying, or resumes it; resolves
   * when the released records are applied. MANIFEST stores the order for later starts.
   * Throws `failed_precondition` if records are not applied late, `out_of_range` for
   * an LSN that does not wait to be applied.
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
    // A pause takes effect at once, before MANIFEST stores it.
    delayed.hold = hold;
    await amendManifest(this.directory, { applyHold: hold });
    if (hold.uptoLsn > 0) await delayed.untilApplied(hold.uptoLsn as Lsn, signal);
    return { position: engine.position, durableLsn: engine.durableLsn, delay: delayed.status };
  }

  /** Applies records at once from now on, as a master does. Every record must be applied already. */
  async endDelay(): Promise<void> {
    await this.#delayed?.close();
    this.#delayed = undefined;
    this.#engine?.setHolding(false);
  }

  /** Applies records late from now on, if that is configured, as a delayed replica does. Every record must be applied already. */
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

  /** Adopts the log of the master, on a replica without a log. */
  async adopt(logId: string, term: number): Promise<Engine> {
    await this.#amendRaising(term, { logId });
    return this.open();
  }

  /** The path at which a snapshot must be received. */
  get incomingPath(): string {
    return pathIn(this.directory, INCOMING_NAME);
  }

  /**
   * Replica: replaces its state and log by the snapshot at `incomingPath`, which must
   * be complete and fdatasynced. The whole snapshot is checked first: if it is damaged
   * or belongs to another log, `SnapshotError` is thrown and nothing is changed. Throws
   * `cancelled` if `signal` ends the check.
   */
  async installSnapshot(logId: string, signal?: AbortSignal, diverged?: DivergedFrom): Promise<Engine> {
    const { fileSystem } = this.options;
    const loaded = await loadSnapshot(this.incomingPath, this.options, () => {}, signal);
    const { meta } = loaded;
    if (meta.logId !== logId) throw new SnapshotError(0, `it belongs to log ${meta.logId}, not to ${logId}`);
    const name = formatSnapshotName(meta.position);
    const left = await leavingTail(this.directory, this.#engine?.log, diverged, this.options.logger);
    await this.#closeEngine();
    await fileSystem.rename(this.incomingPath, pathIn(this.directory, name));
    await this.directory.syncNames();
    const lowestSegment = await this.directory.nextSegmentSeq();
    const emptied = { logId, snapshot: name, lowestSegment, applyHold: undefined };
    const step = meta.formatLevel > 0 ? ({ format: 2 } as const) : {};
    await amendManifest(this.directory, { ...emptied, ...left, ...step });
    this.checkpoints.made();
    await this.directory.sweepAside();
    return this.#open(loaded);
  }

  /**
   * Replica: moves its records after `common` to `aside/` and recovers the state at
   * `common`. Returns undefined if the base snapshot is later than `common` or the log
   * is damaged there: then only a full resync helps.
   */
  async cutTo(common: Position, why: DivergedWhy): Promise<Engine | undefined> {
    const baseLsn = this.#baseLsn;
    if (baseLsn > common.lsn) return undefined;
    const point = await this.#pointAt(common.lsn);
    if (point === undefined && common.lsn !== baseLsn) return undefined;
    const from = { ...why, commonLsn: common.lsn };
    const left = await leavingTail(this.directory, this.#engine?.log, from, this.options.logger);
    await this.#closeEngine();
    // A checkpoint that ended only now may have made a later base snapshot.
    if (this.#baseLsn > common.lsn) {
      await this.open();
      return undefined;
    }
    const { applyHold } = this.manifest;
    if (applyHold !== undefined && applyHold.uptoLsn > common.lsn) {
      // An operator released records after it that no longer exist.
      await amendManifest(this.directory, { applyHold: { ...applyHold, uptoLsn: common.lsn } });
    }
    await cutLog(this.directory, point ?? { ...common, crc: 0 }, left);
    return this.open();
  }

  /**
   * Moves snapshot and log to `aside/` and makes this node a fresh replica; the terms
   * of that log no longer count. `role` has further fields for the same commit.
   */
  async discard(why: DivergedWhy, role: Partial<Manifest> = {}): Promise<void> {
    const from = { ...why, commonLsn: 0 as Lsn };
    const left = await leavingTail(this.directory, this.#engine?.log, from, this.options.logger);
    await this.#closeEngine();
    const lowestSegment = await this.directory.nextSegmentSeq();
    await amendManifest(this.directory, {
      logId: '',
      incarnation: newIncarnation(this.options.random),
      term: 0,
      snapshot: '',
      lowestSegment,
      isRestored: undefined,
      quarantine: null,
      applyHold: undefined,
      ...role,
      ...left,
    });
    await this.directory.sweepAside();
  }

  /**
   * The highest term of its log that this node has persisted; undefined if it has no
   * log, since any term of its first log is then acceptable.
   */
  get knownTerm(): number | undefined {
    const { logId, term } = this.manifest;
    return logId === '' ? undefined : term;
  }

  /**
   * Persists a term that another node stated; a lower one changes nothing. Throws
   * `failed_precondition` if the term is not believed.
   */
  async raiseTerm(term: number): Promise<void> {
    if (term > this.manifest.term) checkBelieved(term, this.knownTerm);
    await this.saveTerm(term);
  }

  /** Remembers a term that was believed before, or that this node chose; a lower one changes nothing. */
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

  /** Compares the term inside the update, so that two updates at once never lower it. */
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
