/**
 * How far this replica is behind its master: its log, and what is visible of
 * it. The two differ where records are applied late. Pure reading of engine and
 * link; nothing is kept here but when the process started.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import { NO_LSN } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import type { LinkState } from '#slave/link-state.ts';

export class Lag {
  readonly #host: EngineHost;
  readonly #clock: Clock;
  readonly #link: LinkState;
  readonly #isStreaming: () => boolean;
  readonly #startedMs: number;

  /** `isStreaming`: whether it is linked, and takes pushes. */
  constructor(host: EngineHost, clock: Clock, link: LinkState, isStreaming: () => boolean) {
    this.#host = host;
    this.#clock = clock;
    this.#link = link;
    this.#isStreaming = isStreaming;
    this.#startedMs = clock.monotonicMs();
  }

  /** Records that the master has durable and that are not visible here. */
  get records(): number {
    return this.#link.lagRecords(this.#host.engine?.applied.lsn ?? NO_LSN);
  }

  /**
   * Milliseconds since what is visible here was all that the master had. Where
   * it applies late, the age of the next record to be applied.
   */
  get stalenessMs(): number {
    const { engine, delayed } = this.#host;
    if (engine === undefined || delayed === undefined || engine.applied.lsn === engine.committedLsn)
      return this.#logAgeMs;
    return Math.max(this.#logAgeMs, engine.logClock.nowMs() - delayed.behindSinceMs);
  }

  /** Milliseconds that the log here is behind the master's, whatever of it is applied; 0 while it is level. */
  get logMs(): number {
    const records = this.#link.lagRecords(this.#host.engine?.committedLsn ?? NO_LSN);
    return this.#isStreaming() && records === 0 ? 0 : this.#logAgeMs;
  }

  /**
   * Milliseconds since the log here was last known level. Where it never was since
   * its start, the age of its newest record: at that moment it had everything.
   */
  get #logAgeMs(): number {
    const { engine } = this.#host;
    if (this.#link.stalenessMs !== undefined) return this.#link.stalenessMs;
    if (engine === undefined) return Math.floor(this.#clock.monotonicMs() - this.#startedMs);
    return Math.max(0, engine.logClock.nowMs() - engine.lastTimestampMs);
  }
}
