/**
 * Compares this replica's state with the master's by the digests that pushes
 * state, and chooses a remedy for a difference, which the follower applies
 * (docs/replication.md, rule 9).
 *
 * A state that differs is not served. The first remedy is to rebuild it from the
 * replica's own disk: snapshot and log have checksums, and the records are the
 * master's byte for byte. If the rebuilt state differs too, or a difference comes
 * back soon, the replica takes the master's snapshot, and again after one, two
 * and four minutes. After that it only reports the difference: the wrong state
 * may be the master's, and then more snapshots would not help.
 */
import type { DigestWindow } from '#engine/digest-window.ts';
import type { Engine } from '#engine/engine.ts';
import type { Lsn } from '#model/position.ts';
import type { DigestMismatch } from '#model/replication.ts';
import type { IntegrityStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { LateDigests } from '#slave/late-digests.ts';

/** `none`: no difference is known, or the next remedy is not due yet. */
export type Remedy = 'none' | 'rebuild' | 'resync';

/** After one rebuild and this many full resyncs a difference is only reported. */
export const RESYNCS_MAX = 4;
const WAIT_MS_MIN = 60_000;
/** Time between a rebuild that did not help and the first full resync, for the master to scrub its own memory. */
const GRACE_MS = 10_000;
/** After this long without a difference the next one starts with the first remedy again. */
const PEACE_MS = 600_000;

export class DigestCheck {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What is known to be wrong; empty: nothing. */
  #problem = '';
  #mismatch: DigestMismatch | undefined;
  /** No remedy was applied since the difference was found: the state must not be served. */
  #isSuspect = false;
  /** A rebuild failed: only the master's snapshot helps. */
  #isDiskUseless = false;
  /** Remedies applied since the last `PEACE_MS` without a difference. */
  #tried = 0;
  #dueMs = 0;
  #calmSinceMs = 0;
  #comparisons = 0;
  #mismatches = 0;
  #rebuilds = 0;
  readonly #late: LateDigests;

  constructor(clock: Clock, logger: Logger) {
    this.#late = new LateDigests(clock);
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Compares with the master's digest at `lsn`; empty: the master does not know it. */
  compare(digests: DigestWindow, lsn: Lsn, stated: string): void {
    const found = stated === '' ? undefined : digests.at(lsn)?.digest;
    if (found === undefined) return;
    this.#comparisons++;
    if (found === stated) {
      // A scrub may have found altered memory that the digest does not cover, which needs its remedy too.
      if (!this.#isSuspect && this.#problem !== '') this.#resolve('the digest is the master’s again');
      return;
    }
    this.#mismatches++;
    const isNews = this.#mismatch === undefined;
    this.#mismatch = { lsn, stated, found };
    if (isNews)
      this.#open(`digest_mismatch: at LSN ${lsn} the digest here was ${found}, the master’s ${stated}`);
  }

  /** Like `compare`, on a delayed replica: the digest is compared once `lsn` is applied, after about `delayMs`. */
  compareLate(engine: Engine, lsn: Lsn, stated: string, delayMs: number): void {
    const appliedLsn = engine.applied.lsn;
    if (lsn > appliedLsn) this.#late.note(lsn, stated, delayMs);
    else this.compare(engine.digests, lsn, stated);
    for (const late of this.#late.take(appliedLsn)) this.compare(engine.digests, late.lsn, late.digest);
  }

  /** A scrub or a checkpoint found altered memory. */
  distrust(why: string): void {
    this.#open(why);
  }

  /** The remedy that is due now. */
  get remedy(): Remedy {
    if (this.#problem === '' || this.#clock.monotonicMs() < this.#dueMs) return 'none';
    if (this.#tried === 0 && !this.#isDiskUseless) return 'rebuild';
    return this.#tried <= RESYNCS_MAX ? 'resync' : 'none';
  }

  /** The state was recovered from this replica's disk; `digests` belongs to the new engine. */
  rebuilt(digests: DigestWindow): void {
    this.#rebuilds++;
    const { lsn, stated } = this.#mismatch ?? {};
    const found = lsn === undefined ? undefined : digests.at(lsn)?.digest;
    const before = this.#mismatch?.found;
    this.#tryNext(GRACE_MS);
    if (found === stated) {
      this.#resolve('rebuilt from the snapshot and the log here');
      return;
    }
    // The record is older than the snapshot; the next push is compared instead.
    if (found === undefined) return;
    const why =
      found === before
        ? 'snapshot and log of this node give the same state again: the master may be the one that is wrong'
        : 'snapshot and log of this node give a state that differs from both';
    this.#logger.error({ lsn, stated, found, before }, why);
  }

  /** The engine could not be opened: there is nothing to read from, and only the master's snapshot helps. */
  rebuildFailed(error: unknown): void {
    this.#rebuilds++;
    this.#logger.error({ err: error }, 'snapshot and log of this node cannot be loaded: full resync');
    this.#isDiskUseless = true;
    this.#tried = Math.max(this.#tried, 1);
  }

  /** The end of the log was set aside: digests that the master stated for it are void. */
  cut(): void {
    this.#late.clear();
  }

  /** The master's snapshot was installed, for a difference or for another reason. */
  resynced(): void {
    this.#isDiskUseless = false;
    this.#late.clear();
    if (this.#problem === '') return;
    this.#tryNext(WAIT_MS_MIN * 2 ** Math.max(0, this.#tried - 1));
    if (this.#mismatch === undefined) this.#resolve('rebuilt from the master’s snapshot');
    else if (this.#tried > RESYNCS_MAX) {
      this.#logger.error(
        { mismatch: this.#mismatch, tried: this.#tried },
        'full resyncs do not make the digests equal: no more are tried; see docs/operations.md',
      );
    }
  }

  /** Why the replica asks for a snapshot although the log would do; empty: it does not ask. */
  get fullResyncReason(): string {
    return this.remedy === 'resync' ? this.#problem : '';
  }

  /** True if the state is known to be wrong and no remedy was applied yet. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Why this node's state may be wrong; empty if there is no reason to doubt it. */
  get reason(): string {
    if (this.#problem === '') return '';
    const isOver = this.#tried > RESYNCS_MAX;
    const tried = isOver ? `; ${this.#tried} repairs did not help` : '';
    if (this.#isSuspect) return `${this.#problem}${tried}; reads are refused until the state is rebuilt`;
    return isOver
      ? `${this.#problem}${tried}`
      : `${this.#problem}; rebuilt, and not compared with the master again yet`;
  }

  /** The difference that each answer reports to the master, as long as the states are known to differ. */
  get mismatch(): DigestMismatch | undefined {
    return this.#mismatch;
  }

  get status(): IntegrityStatus {
    return {
      digestComparisons: this.#comparisons,
      digestMismatches: this.#mismatches,
      rebuilds: this.#rebuilds,
    };
  }

  #open(problem: string): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#calmSinceMs >= PEACE_MS && this.#problem === '') {
      this.#tried = 0;
      this.#dueMs = 0;
    }
    this.#problem = problem;
    this.#isSuspect = true;
    this.#logger.error({ problem, mismatch: this.#mismatch, tried: this.#tried }, 'the state here is wrong');
  }

  #tryNext(waitMs: number): void {
    this.#tried++;
    this.#isSuspect = false;
    this.#dueMs = this.#clock.monotonicMs() + waitMs;
  }

  #resolve(how: string): void {
    this.#logger.warn({ how, problem: this.#problem, tried: this.#tried }, 'the state here is right again');
    this.#problem = '';
    this.#mismatch = undefined;
    this.#calmSinceMs = this.#clock.monotonicMs();
  }
}
