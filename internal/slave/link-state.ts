/**
 * What a replica knows of its master's progress and its own lag: fed by pushes,
 * heartbeats and pulls; read by Status, readiness and `staleness_ms`.
 */
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

/** The most by which a log clock gains on or loses to monotonic time; a little more for rounding. */
const SLEW_MAX = 0.055;

export class LinkState {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  #heardCount = 0;
  #lastHeardMs = Number.NEGATIVE_INFINITY;
  #upstreamDurableLsn: Lsn = NO_LSN;
  /** Monotonic time when this node was last known level; undefined: not since its start. */
  #lastLevelMs: number | undefined;
  /** The least that our monotonic time was ahead of the master's clock: what the fastest word took. */
  #offsetMs = Number.POSITIVE_INFINITY;
  #lastSaidMs = 0;

  /** `silenceMs`: after this long without a word the link counts as lost. */
  constructor(clock: Clock, silenceMs: number) {
    this.#clock = clock;
    this.#silenceMs = silenceMs;
  }

  /** A master answered; `isOther`: not the one before. */
  registered(upstreamDurableLsn: Lsn, isOther: boolean): void {
    if (isOther) this.#offsetMs = Number.POSITIVE_INFINITY;
    this.#upstreamDurableLsn = upstreamDurableLsn;
    this.heard(upstreamDurableLsn, this.#clock.monotonicMs());
  }

  /** The master said at `saidAtMs` (monotonic) what it has durable. A word from long ago is no sign of a link. */
  heard(upstreamDurableLsn: Lsn, saidAtMs: number): void {
    if (this.#clock.monotonicMs() - saidAtMs < this.#silenceMs) this.#heardCount++;
    this.#lastHeardMs = Math.max(this.#lastHeardMs, saidAtMs);
    this.#upstreamDurableLsn = Math.max(this.#upstreamDurableLsn, upstreamDurableLsn) as Lsn;
  }

  /**
   * When (monotonic, never in the future) the master said that its clock shows
   * `logClockMs`. A word that was long on its way tells of an old state; how
   * long shows by comparison with the fastest one. The master's clock may be
   * slewed, so the comparison gives way as fast as that can be.
   */
  saidAtMs(logClockMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const leewayMs = (nowMs - this.#lastSaidMs) * SLEW_MAX;
    this.#lastSaidMs = nowMs;
    this.#offsetMs = Math.min(this.#offsetMs + leewayMs, nowMs - logClockMs);
    return Math.min(nowMs, logClockMs + this.#offsetMs);
  }

  /** Everything that the master had durable at `atMs` (monotonic) is applied here. */
  level(atMs: number): void {
    this.#lastLevelMs = Math.max(this.#lastLevelMs ?? atMs, atMs);
  }

  lost(): void {
    this.#lastHeardMs = Number.NEGATIVE_INFINITY;
  }

  /** Rises with every word of the master: tells silence without a clock. */
  get heardCount(): number {
    return this.#heardCount;
  }

  get isLinked(): boolean {
    return this.#clock.monotonicMs() - this.#lastHeardMs < this.#silenceMs;
  }

  lagRecords(appliedLsn: Lsn): number {
    return Math.max(0, this.#upstreamDurableLsn - appliedLsn);
  }

  /** Whole milliseconds since this node was last known level; undefined where it never was since its start. */
  get stalenessMs(): number | undefined {
    if (this.#lastLevelMs === undefined) return undefined;
    return Math.max(0, Math.floor(this.#clock.monotonicMs() - this.#lastLevelMs));
  }
}
