/**
 * The log clock (docs/replication.md, rule 5): the time by which deadlines are
 * judged and logged. It never goes back; it starts at the later of wall time and
 * the last timestamp in the log, runs monotonically, and is slewed towards wall
 * time by at most 5 %. A replica follows its master's clock.
 *
 * It may differ from wall time for long, after a start with a wrong clock or after
 * the wall clock was set. Deadlines that clients send and receive are in wall time,
 * so they are translated in both directions (`shiftMs`). A lasting offset can be
 * stated in the log (`state`) and then no longer counts as an error.
 */
import { type Entry, movedDeadline, NEVER } from '#model/entry.ts';
import type { Clock } from '#platform/clock.ts';

/**
 * Within this the log clock and wall time count as one, so that a deadline is
 * logged, and answered on every node, as the client gave it.
 */
export const SAME_TIME_MS = 1_000;
/** Beyond this the offset from wall time is told: in Status, and as a warning. */
export const CLOCK_OFFSET_MAX_MS = 10_000;

/** The fastest the clock may gain on or lose to real time. */
const SLEW_MAX = 0.05;
/** How often the slew is chosen anew, monotonic milliseconds. */
const SLEW_PERIOD_MS = 1_000;

export class LogClock {
  readonly #clock: Clock;
  /** Monotonic time and log time of the last calibration. */
  #baseMonotonicMs: number;
  #baseMs: number;
  /** Gained on real time per millisecond of it: -0.05 .. 0.05. */
  #rate = 0;
  /** What slewing may add or take until the next calibration: it ends at its target, however long nobody asks. */
  #slewMs = 0;
  #isFollowing = false;
  /** No master has confirmed this machine's wall time yet. */
  #isGuess = true;
  #newestTimestampMs: number;
  /** Milliseconds that must be added to the log clock to get wall time, as the log states. */
  #wallOffsetMs: number;

  /** `lastTimestampMs`: the newest timestamp in the log, 0 for none. `wallOffsetMs`: as stated there. */
  constructor(clock: Clock, lastTimestampMs: number, wallOffsetMs = 0) {
    this.#clock = clock;
    this.#wallOffsetMs = wallOffsetMs;
    this.#baseMonotonicMs = clock.monotonicMs();
    this.#baseMs = Math.max(this.#wallTargetMs, lastTimestampMs);
    this.#newestTimestampMs = lastTimestampMs;
  }

  /** Begins anew at the end of a recovery, when the newest timestamp and the stated offset are known. */
  restart(lastTimestampMs: number): void {
    this.#newestTimestampMs = Math.max(this.#newestTimestampMs, lastTimestampMs);
    this.#rebase(Math.max(this.#wallTargetMs, this.#newestTimestampMs));
  }

  /** What the log says is to be added to its clock to have wall time, milliseconds; 0 unless an operator stated one. */
  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }

  /** The log states another offset from here on. The clock itself goes on as it was. */
  state(wallOffsetMs: number): void {
    this.#rebase(this.#at(this.#clock.monotonicMs()));
    this.#wallOffsetMs = wallOffsetMs;
  }

  /**
   * How far the log clock, at its time `nowMs`, is ahead of this machine's wall
   * time, the stated offset allowed for; negative: behind. Milliseconds.
   */
  aheadMs(nowMs: number): number {
    return nowMs - Math.floor(this.#wallTargetMs);
  }

  /**
   * What turns a logged deadline into wall time when it is added, at the log
   * clock's time `nowMs`: the stated offset, or where the clock is off by more
   * than a second what it really differs by. So a deadline keeps its distance
   * from now either way.
   */
  shiftMs(nowMs: number): number {
    const aheadMs = this.aheadMs(nowMs);
    return Math.abs(aheadMs) <= SAME_TIME_MS ? this.#wallOffsetMs : this.#wallOffsetMs - aheadMs;
  }

  /** Where the log clock would be if it agreed with this machine's wall time. */
  get #wallTargetMs(): number {
    return this.#clock.wallMs() - this.#wallOffsetMs;
  }

  /** Milliseconds since the Unix epoch, whole. */
  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    if (monotonicMs - this.#baseMonotonicMs >= SLEW_PERIOD_MS) this.#calibrate(monotonicMs);
    return Math.floor(this.#at(monotonicMs));
  }

  /** Moves the clock forward to a timestamp from the log; never back. */
  observe(timestampMs: number): void {
    this.#newestTimestampMs = Math.max(this.#newestTimestampMs, timestampMs);
    if (timestampMs > this.nowMs()) this.#rebase(timestampMs);
  }

  /**
   * On a replica: the master's clock as just told. Forward at once; back only
   * by slewing, except at first contact, where what ran until then was a guess
   * from this machine's own wall time.
   */
  follow(masterMs: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    const now = this.#isGuess ? this.#newestTimestampMs : this.#at(monotonicMs);
    this.#isFollowing = true;
    this.#isGuess = false;
    this.#baseMonotonicMs = monotonicMs;
    this.#baseMs = Math.max(now, masterMs);
    this.#slew(masterMs < now ? -SLEW_MAX : 0, Math.min(0, masterMs - now));
  }

  /** After becoming a master: towards the own wall time again. */
  lead(): void {
    this.#isFollowing = false;
    this.#isGuess = false;
  }

  #at(monotonicMs: number): number {
    const passedMs = monotonicMs - this.#baseMonotonicMs;
    const slewedMs = passedMs * this.#rate;
    const cappedMs = this.#slewMs < 0 ? Math.max(slewedMs, this.#slewMs) : Math.min(slewedMs, this.#slewMs);
    return this.#baseMs + passedMs + cappedMs;
  }

  #slew(rate: number, slewMs: number): void {
    this.#rate = rate;
    this.#slewMs = slewMs;
  }

  /** What was behind is made up for by the jump; the next calibration says anew. */
  #rebase(ms: number): void {
    this.#baseMonotonicMs = this.#clock.monotonicMs();
    this.#baseMs = ms;
    this.#slew(0, 0);
  }

  #calibrate(monotonicMs: number): void {
    this.#baseMs = this.#at(monotonicMs);
    this.#baseMonotonicMs = monotonicMs;
    if (this.#isFollowing) {
      this.#slew(0, 0);
      return;
    }
    const behindMs = this.#wallTargetMs - this.#baseMs;
    this.#slew(Math.max(-SLEW_MAX, Math.min(SLEW_MAX, behindMs / (10 * SLEW_PERIOD_MS))), behindMs);
  }
}

/** An entry as callers see it: its deadline in wall time. The entry itself where that is the same. */
export function inWallTime(entry: Entry, logClock: LogClock): Entry {
  if (entry.expireAtMs === NEVER) return entry;
  const shiftMs = logClock.shiftMs(logClock.nowMs());
  return shiftMs === 0 ? entry : { ...entry, expireAtMs: movedDeadline(entry.expireAtMs, shiftMs) };
}
