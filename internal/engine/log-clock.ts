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
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';

/**
 * A smaller difference between log clock and wall time is ignored, so that a deadline
 * is logged, and answered on every node, exactly as the client gave it.
 */
export const SAME_TIME_MS = 1_000;
/** A larger offset from wall time is reported in Status and as a warning. */
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
  /** Milliseconds gained per millisecond of monotonic time: -0.05 .. 0.05. */
  #rate = 0;
  /** The most that slewing adds or takes before the next calibration, so that it stops at its target however late that comes. */
  #slewMs = 0;
  #isFollowing = false;
  /** True until the node leads or hears its master's clock: the time so far comes from this machine's wall clock alone. */
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

  /** Milliseconds since a record was made that has this timestamp; `UNKNOWN_LAG_MS` for 0, where there is no record. */
  ageMs(timestampMs: number): number {
    return timestampMs === 0 ? UNKNOWN_LAG_MS : Math.max(0, this.nowMs() - timestampMs);
  }

  /** Milliseconds that the log states must be added to its clock to get wall time; 0 unless an operator stated an offset. */
  get wallOffsetMs(): number {
    return this.#wallOffsetMs;
  }

  /** Applies another offset that the log states. The log clock itself does not jump. */
  state(wallOffsetMs: number): void {
    this.#rebase(this.#at(this.#clock.monotonicMs()));
    this.#wallOffsetMs = wallOffsetMs;
  }

  /**
   * How many milliseconds the log clock, at its time `nowMs`, is ahead of this
   * machine's wall time after subtracting the stated offset; negative: behind.
   */
  aheadMs(nowMs: number): number {
    return nowMs - Math.floor(this.#wallTargetMs);
  }

  /**
   * Milliseconds to add to a logged deadline to get wall time, at the log clock's time
   * `nowMs`: the stated offset, or the real difference of the clocks if it deviates from
   * that by more than a second. Either way a deadline keeps its distance from now.
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
   * Replica: follows the master's clock, which the caller has just received. Forward it
   * jumps; back it only slews, except at the first contact, because until then the
   * time was a guess from this machine's wall clock.
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

  /** Master, after a promotion: from now on the clock is slewed towards this machine's wall time. */
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

  /** Jumps to `ms` and stops slewing; the next calibration computes a new slew. */
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

/** The entry with its deadline in wall time, as clients see it; the same object if nothing changes. */
export function inWallTime(entry: Entry, logClock: LogClock): Entry {
  if (entry.expireAtMs === NEVER) return entry;
  const shiftMs = logClock.shiftMs(logClock.nowMs());
  return shiftMs === 0 ? entry : { ...entry, expireAtMs: movedDeadline(entry.expireAtMs, shiftMs) };
}
