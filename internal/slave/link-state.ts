/**
 * What a replica knows of its master's progress and its own lag: fed by pushes,
 * heartbeats and pulls; read by Status, readiness and `staleness_ms`.
 */
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

export class LinkState {
  readonly #clock: Clock;
  readonly #silenceMs: number;
  #heardCount = 0;
  #lastHeardMs = Number.NEGATIVE_INFINITY;
  #upstreamDurableLsn: Lsn = NO_LSN;
  /** Monotonic time when this node was last known level; at first: since it began to follow. */
  #lastLevelMs: number;

  /** `silenceMs`: after this long without a word the link counts as lost. */
  constructor(clock: Clock, silenceMs: number) {
    this.#clock = clock;
    this.#silenceMs = silenceMs;
    this.#lastLevelMs = clock.monotonicMs();
  }

  /** The master said what it has durable. */
  heard(upstreamDurableLsn: Lsn): void {
    this.#heardCount++;
    this.#lastHeardMs = this.#clock.monotonicMs();
    this.#upstreamDurableLsn = upstreamDurableLsn;
  }

  /** Everything that the master had durable at `atMs` (monotonic) is applied here. */
  level(atMs: number): void {
    this.#lastLevelMs = Math.max(this.#lastLevelMs, atMs);
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

  /** Milliseconds since this node was last known level, whole. */
  get stalenessMs(): number {
    return Math.max(0, Math.floor(this.#clock.monotonicMs() - this.#lastLevelMs));
  }
}
