/**
 * Schedules the fdatasyncs that run in parallel with writes: one every interval
 * while there is something to sync, and one at once on request, but at most one
 * request per gap. Two never run at the same time. The writer handles a failed
 * one; here it only ends the schedule.
 */
import type { Clock, Timer } from '#platform/clock.ts';

export interface SyncScheduleParts {
  readonly clock: Clock;
  /** Undefined: fdatasyncs run only on request. */
  readonly intervalMs: number | undefined;
  readonly requestedGapMs: number;
  readonly state: () => { readonly writtenLsn: number; readonly durableLsn: number };
  /** Issues one fdatasync. */
  readonly sync: () => Promise<void>;
}

export class SyncSchedule {
  readonly #parts: SyncScheduleParts;
  #running: Promise<void> | undefined;
  #startedMs = 0;
  #intervalTimer: Timer | undefined;
  #gapTimer: Timer | undefined;
  #isStopped = false;
  /** The lowest and highest LSN that is requested and not covered by the running fdatasync. */
  #wantedFrom = Number.POSITIVE_INFINITY;
  #wantedTo = 0;
  #lastRequestedMs = Number.NEGATIVE_INFINITY;

  constructor(parts: SyncScheduleParts) {
    this.#parts = parts;
  }

  /** Requests that `lsn` becomes durable soon. */
  request(lsn: number): void {
    this.#wantedFrom = Math.min(this.#wantedFrom, lsn);
    this.#wantedTo = Math.max(this.#wantedTo, lsn);
    this.#consider();
  }

  /** Must be called after each write. */
  written(): void {
    this.#consider();
    this.#armInterval();
  }

  /** Monotonic time at which the running fdatasync began; undefined: none runs. */
  get syncingSinceMs(): number | undefined {
    return this.#running === undefined ? undefined : this.#startedMs;
  }

  /** Resolves when no fdatasync of the schedule runs. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#intervalTimer?.cancel();
    this.#gapTimer?.cancel();
    await this.settled();
  }

  #consider(): void {
    if (this.#isStopped || this.#running !== undefined || this.#gapTimer !== undefined) return;
    const { writtenLsn, durableLsn } = this.#parts.state();
    this.#dropCovered(durableLsn);
    if (this.#wantedFrom > writtenLsn) return;
    const { clock, requestedGapMs } = this.#parts;
    const waitMs = this.#lastRequestedMs + requestedGapMs - clock.monotonicMs();
    if (waitMs > 0) {
      this.#gapTimer = clock.after(waitMs, () => {
        this.#gapTimer = undefined;
        this.#consider();
      });
      return;
    }
    this.#lastRequestedMs = clock.monotonicMs();
    this.#start();
  }

  #dropCovered(durableLsn: number): void {
    if (this.#wantedTo <= durableLsn) this.#wantedFrom = Number.POSITIVE_INFINITY;
    else if (this.#wantedFrom <= durableLsn) this.#wantedFrom = durableLsn + 1;
  }

  #armInterval(): void {
    const { clock, intervalMs, state } = this.#parts;
    if (intervalMs === undefined || this.#intervalTimer !== undefined || this.#isStopped) return;
    if (state().writtenLsn <= state().durableLsn) return;
    this.#intervalTimer = clock.after(intervalMs, () => {
      this.#intervalTimer = undefined;
      const { writtenLsn, durableLsn } = state();
      if (this.#isStopped || writtenLsn <= durableLsn) return;
      if (this.#running === undefined) this.#start();
      else this.#armInterval();
    });
  }

  #start(): void {
    this.#startedMs = this.#parts.clock.monotonicMs();
    this.#running = this.#parts
      .sync()
      .catch(() => {
        this.#isStopped = true;
      })
      .then(() => {
        this.#running = undefined;
        this.#consider();
        this.#armInterval();
      });
  }
}
