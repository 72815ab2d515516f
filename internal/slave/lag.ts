/**
 * How far this replica is behind its master, for its log and for its visible
 * state. The two differ on a delayed replica. Computed from engine and link when
 * asked; no state is kept.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import { NO_LSN } from '#model/position.ts';
import { UNKNOWN_LAG_MS } from '#model/status.ts';
import type { LinkState } from '#slave/link-state.ts';

export class Lag {
  readonly #host: EngineHost;
  readonly #link: LinkState;
  readonly #isStreaming: () => boolean;

  /** `isStreaming` tells whether the replica is linked and takes pushes. */
  constructor(host: EngineHost, link: LinkState, isStreaming: () => boolean) {
    this.#host = host;
    this.#link = link;
    this.#isStreaming = isStreaming;
  }

  /** Records that are durable on the master and not visible here. */
  get records(): number {
    return this.#link.lagRecords(this.#host.engine?.applied.lsn ?? NO_LSN);
  }

  /**
   * Milliseconds since everything that the master had was visible here; on a
   * delayed replica at least the age of the next record to be applied.
   */
  get stalenessMs(): number {
    const { engine, delayed } = this.#host;
    if (engine === undefined || delayed === undefined || engine.applied.lsn === engine.committedLsn)
      return this.#logAgeMs;
    return Math.max(this.#logAgeMs, engine.logClock.nowMs() - delayed.behindSinceMs);
  }

  /** Milliseconds by which this replica's log is behind the master's, applied or not; 0 while it is level. */
  get logMs(): number {
    const records = this.#link.lagRecords(this.#host.engine?.committedLsn ?? NO_LSN);
    return this.#isStreaming() && records === 0 ? 0 : this.#logAgeMs;
  }

  /**
   * Milliseconds since this replica's log was last known to be level. Until that
   * happens once after a start, the age of its newest record, which was the
   * master's newest when it was written; `UNKNOWN_LAG_MS` where there is none.
   */
  get #logAgeMs(): number {
    const { engine } = this.#host;
    return this.#link.stalenessMs ?? engine?.logClock.ageMs(engine.lastTimestampMs) ?? UNKNOWN_LAG_MS;
  }
}
