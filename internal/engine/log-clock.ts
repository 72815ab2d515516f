/**
 * The log clock (docs/replication.md, rule 5): the time by which deadlines are
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
  /** Gained on real time per millisecond of it: -0.05 .. 0.05. */
  #rate = 0;
  /** What slewing may add or take until the next calibration: it ends at its target, however long nobody asks. */
  #slewMs = 0;
  #isFollowing = false;
  /** Nobody has confirmed this machine's own wall time yet. */
  #isGuess = true;
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
    const behindMs = this.#clock.wallMs() - this.#baseMs;
    this.#slew(Math.max(-SLEW_MAX, Math.min(SLEW_MAX, behindMs / (10 * SLEW_PERIOD_MS))), behindMs);
  }
}
