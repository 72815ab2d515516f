/**
 * What a replica knows of its master's progress and of its own lag. Pushes,
 * heartbeats and pulls update it; Status, readiness and `staleness_ms` read it.
 */
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

/** The largest rate at which a log clock is slewed against monotonic time, with some allowance for rounding. */
const SLEW_MAX = 0.055;

export class LinkState {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  #heardCount = 0;
  #lastHeardMs = Number.NEGATIVE_INFINITY;
  #upstreamDurableLsn: Lsn = NO_LSN;
  /** Monotonic time at which this node was last known to be level; undefined: never since its start. */
  #lastLevelMs: number | undefined;
  /** The smallest difference seen between this node's monotonic time and the master's clock: that of the fastest message. */
  #offsetMs = Number.POSITIVE_INFINITY;
  #lastSaidMs = 0;

  /** The link counts as lost after `silenceMs` without a message from the master. */
  constructor(clock: Clock, silenceMs: number) {
    this.#clock = clock;
    this.#silenceMs = silenceMs;
  }

  /** A master answered a registration; `isOther`: another one than before. */
  registered(upstreamDurableLsn: Lsn, isOther: boolean): void {
    if (isOther) this.#offsetMs = Number.POSITIVE_INFINITY;
    this.#upstreamDurableLsn = upstreamDurableLsn;
    this.heard(upstreamDurableLsn, this.#clock.monotonicMs());
  }

  /** The master said at `saidAtMs` (monotonic) what is durable on it. A message that is too old does not prove a link. */
  heard(upstreamDurableLsn: Lsn, saidAtMs: number): void {
    if (this.#clock.monotonicMs() - saidAtMs < this.#silenceMs) this.#heardCount++;
    this.#lastHeardMs = Math.max(this.#lastHeardMs, saidAtMs);
    this.#upstreamDurableLsn = Math.max(this.#upstreamDurableLsn, upstreamDurableLsn) as Lsn;
  }

  /**
   * Estimates when a message was sent, in monotonic time and never in the future,
   * from the log clock that the master put into it. A message that was delayed
   * describes an old state; its delay is estimated by comparing with the fastest
   * message so far. Since the master's clock may be slewed, the minimum is relaxed
   * by the largest possible slew.
   */
  saidAtMs(logClockMs: number): number {
    const nowMs = this.#clock.monotonicMs();
    const leewayMs = (nowMs - this.#lastSaidMs) * SLEW_MAX;
    this.#lastSaidMs = nowMs;
    this.#offsetMs = Math.min(this.#offsetMs + leewayMs, nowMs - logClockMs);
    return Math.min(nowMs, logClockMs + this.#offsetMs);
  }

  /** Everything that was durable on the master at `atMs` (monotonic) is applied here. */
  level(atMs: number): void {
    this.#lastLevelMs = Math.max(this.#lastLevelMs ?? atMs, atMs);
  }

  lost(): void {
    this.#lastHeardMs = Number.NEGATIVE_INFINITY;
  }

  /** Rises with every recent message of the master, so that silence can be noticed without a clock. */
  get heardCount(): number {
    return this.#heardCount;
  }

  get isLinked(): boolean {
    return this.#clock.monotonicMs() - this.#lastHeardMs < this.#silenceMs;
  }

  lagRecords(appliedLsn: Lsn): number {
    return Math.max(0, this.#upstreamDurableLsn - appliedLsn);
  }

  /** Whole milliseconds since this node was last known to be level; undefined if it never was since its start. */
  get stalenessMs(): number | undefined {
    if (this.#lastLevelMs === undefined) return undefined;
    return Math.max(0, Math.floor(this.#clock.monotonicMs() - this.#lastLevelMs));
  }
}
