/**
 * The log clock (design: replication rule 5): the time by which deadlines are
 * set, judged and logged. It never goes back; it starts at the later of wall
 * time and the last timestamp in the log, runs monotonically, and is slewed
 * towards wall time by at most 5 %. A replica follows its master's clock.
 */
import type { Clock } from '#platform/clock.ts';

/** The fastest the clock may gain on or lose to real time. */
const SLEW_MAX = 0.05;
/** How often the slew is chosen anew, monotonic milliseconds. */
const SLEW_PERIOD_MS = 1_000;

export class LogClock {
  readonly #clock: Clock;
  /** Monotonic time and log time of the last calibration. */
  #baseMonotonicMs: number;
  #baseMs: number;
  #rate = 1;
  #isFollowing = false;
  #newestTimestampMs: number;

  /** `lastTimestampMs`: the newest timestamp in the log, 0 for none. */
  constructor(clock: Clock, lastTimestampMs: number) {
    this.#clock = clock;
    this.#baseMonotonicMs = clock.monotonicMs();
    this.#baseMs = Math.max(clock.wallMs(), lastTimestampMs);
    this.#newestTimestampMs = lastTimestampMs;
  }

  /** Milliseconds since the Unix epoch, whole. */
  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    if (monotonicMs - this.#baseMonotonicMs >= SLEW_PERIOD_MS) this.#calibrate(monotonicMs);
    return Math.floor(this.#at(monotonicMs));
  }

  /** Moves forward to a timestamp met in the log; never back. */
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
    const now = this.#isFollowing ? this.#at(monotonicMs) : this.#newestTimestampMs;
    this.#isFollowing = true;
    this.#baseMonotonicMs = monotonicMs;
    this.#baseMs = Math.max(now, masterMs);
    this.#rate = masterMs < now ? 1 - SLEW_MAX : 1;
  }

  /** After becoming a master: towards the own wall time again. */
  lead(): void {
    this.#isFollowing = false;
  }

  #at(monotonicMs: number): number {
    return this.#baseMs + (monotonicMs - this.#baseMonotonicMs) * this.#rate;
  }

  #rebase(ms: number): void {
    this.#baseMonotonicMs = this.#clock.monotonicMs();
    this.#baseMs = ms;
  }

  #calibrate(monotonicMs: number): void {
    this.#baseMs = this.#at(monotonicMs);
    this.#baseMonotonicMs = monotonicMs;
    if (this.#isFollowing) {
      this.#rate = 1;
      return;
    }
    const behindMs = this.#clock.wallMs() - this.#baseMs;
    this.#rate = 1 + Math.max(-SLEW_MAX, Math.min(SLEW_MAX, behindMs / (10 * SLEW_PERIOD_MS)));
  }
}
