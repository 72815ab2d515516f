/**
 * Whether the state here is the master's: compares digests at the LSNs that
 * pushes state, and says what is to be done about a difference
 * (docs/replication.md, rule 9). The follower does it.
 *
 * Memory that differs is not served. The first remedy is the replica's own disk:
 * snapshot and log are under checksums and the records are the master's byte for
 * byte, so what they fold to is what should be here. Where that differs too, or
 * a difference comes back soon, the replica takes the master's snapshot; then
 * again after one minute, two, four, and then it leaves off and only says so: a
 * master that is the one in the wrong must not be asked for ever.
 */
import type { DigestWindow } from '#engine/digest-window.ts';
import type { Engine } from '#engine/engine.ts';
import type { Lsn } from '#model/position.ts';
import type { DigestMismatch } from '#model/replication.ts';
import type { IntegrityStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { LateDigests } from '#slave/late-digests.ts';

/** `none`: nothing, or nothing yet. */
export type Remedy = 'none' | 'rebuild' | 'resync';

/** One rebuild and then this many full resyncs, before it only says so. */
export const RESYNCS_MAX = 4;
const WAIT_MS_MIN = 60_000;
/** Between a rebuild that did not help and the first full resync: the master, told of it, looks at itself. */
const GRACE_MS = 10_000;
/** After so long without a difference the next one is met from the beginning. */
const PEACE_MS = 600_000;

export class DigestCheck {
  readonly #clock: Clock;
  readonly #logger: Logger;
  /** What is known to be wrong; empty: nothing. */
  #problem = '';
  #mismatch: DigestMismatch | undefined;
  /** Nothing has been done about it yet: what is in memory must not be served. */
  #isSuspect = false;
  /** A rebuild found the disk here unusable: only a snapshot helps. */
  #isDiskUseless = false;
  /** Remedies tried since the last long peace. */
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

  /** The master says that its digest at `lsn` was `stated`; empty where it does not know. */
  compare(digests: DigestWindow, lsn: Lsn, stated: string): void {
    const found = stated === '' ? undefined : digests.at(lsn)?.digest;
    if (found === undefined) return;
    this.#comparisons++;
    if (found === stated) {
      // What memory was altered to may show in no sum: a scrub's finding waits for its remedy.
      if (!this.#isSuspect && this.#problem !== '') this.#resolve('the digest is the master’s again');
      return;
    }
    this.#mismatches++;
    const isNews = this.#mismatch === undefined;
    this.#mismatch = { lsn, stated, found };
    if (isNews)
      this.#open(`digest_mismatch: at LSN ${lsn} the digest here was ${found}, the master’s ${stated}`);
  }

  /** As `compare`, on a replica that applies `lsn` only after `delayMs`: compared when it has. */
  compareLate(engine: Engine, lsn: Lsn, stated: string, delayMs: number): void {
    const appliedLsn = engine.applied.lsn;
    if (lsn > appliedLsn) this.#late.note(lsn, stated, delayMs);
    else this.compare(engine.digests, lsn, stated);
    for (const late of this.#late.take(appliedLsn)) this.compare(engine.digests, late.lsn, late.digest);
  }

  /** A scrub, or a checkpoint, met memory that is not what was stored. */
  distrust(why: string): void {
    this.#open(why);
  }

  /** What is due now. */
  get remedy(): Remedy {
    if (this.#problem === '' || this.#clock.monotonicMs() < this.#dueMs) return 'none';
    if (this.#tried === 0 && !this.#isDiskUseless) return 'rebuild';
    return this.#tried <= RESYNCS_MAX ? 'resync' : 'none';
  }

  /** The engine was opened anew from the disk here; `digests`: its own. */
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
    // Older than the snapshot: the next push tells.
    if (found === undefined) return;
    const why =
      found === before
        ? 'the snapshot and the log here give what was here: the master may be the one that is wrong'
        : 'the snapshot and the log here give a third state';
    this.#logger.error({ lsn, stated, found, before }, why);
  }

  /** The engine could not be opened: no reads, and only a snapshot helps. */
  rebuildFailed(error: unknown): void {
    this.#rebuilds++;
    this.#logger.error({ err: error }, 'the snapshot and the log here give no state: full resync');
    this.#isDiskUseless = true;
    this.#tried = Math.max(this.#tried, 1);
  }

  /** What the log here ended with was set aside: what was stated of it says nothing any more. */
  cut(): void {
    this.#late.clear();
  }

  /** The master's snapshot was installed, for this or another reason. */
  resynced(): void {
    this.#isDiskUseless = false;
    this.#late.clear();
    if (this.#problem === '') return;
    this.#tryNext(WAIT_MS_MIN * 2 ** Math.max(0, this.#tried - 1));
    if (this.#mismatch === undefined) this.#resolve('rebuilt from the master’s snapshot');
    else if (this.#tried > RESYNCS_MAX) {
      this.#logger.error(
        { mismatch: this.#mismatch, tried: this.#tried },
        'full resyncs do not make the digests equal: leaving off; see docs/operations.md',
      );
    }
  }

  /** Why the master is asked for a snapshot that the log makes needless; empty: it is not. */
  get fullResyncReason(): string {
    return this.remedy === 'resync' ? this.#problem : '';
  }

  /** Whether what is in memory is known to be wrong, and nothing was done about it yet. */
  get isSuspect(): boolean {
    return this.#isSuspect;
  }

  /** Why this node cannot vouch for its state; empty where it can. */
  get reason(): string {
    if (this.#problem === '') return '';
    const isOver = this.#tried > RESYNCS_MAX;
    const tried = isOver ? `; ${this.#tried} rebuilds did not help` : '';
    if (this.#isSuspect) return `${this.#problem}${tried}; reads are refused until the state is rebuilt`;
    return isOver ? `${this.#problem}${tried}` : `${this.#problem}; rebuilt, and not found equal yet`;
  }

  /** As long as the states are known to differ: told to the master. */
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
