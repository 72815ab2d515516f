/**
 * Decides when an idle writer begins a batch. Normally that is the end of a turn of
 * the event loop, so that all records of the turn share one write and one fdatasync.
 * If an fdatasync takes less time than the turn, the disk would be idle during the
 * turn and the callers during the fdatasync. The batch then begins once it has
 * gathered for as long as an fdatasync takes, and its fdatasync runs in parallel with
 * the rest of the turn.
 */
import type { Clock } from '#platform/clock.ts';

/** The least time assumed for an fdatasync, so that the running minimum can rise from it. */
const SYNC_MS_MIN = 0.01;
/** Event-loop delay inflates samples, so keep a running minimum that decays upward by 2 % per sample. */
const RISE = 1.02;

export class BatchStart {
  readonly #clock: Clock;
  readonly #syncsEveryBatch: boolean;
  #syncMs = Number.POSITIVE_INFINITY;
  #sinceMs = 0;
  #start: (() => void) | undefined;

  /** `syncsEveryBatch`: without an fdatasync per batch there is nothing to run in parallel, so every turn is gathered whole. */
  constructor(clock: Clock, syncsEveryBatch: boolean) {
    this.#clock = clock;
    this.#syncsEveryBatch = syncsEveryBatch;
  }

  /** Must be called with the duration of each fdatasync. */
  noteSync(tookMs: number): void {
    this.#syncMs = Math.min(tookMs, Math.max(this.#syncMs, SYNC_MS_MIN) * RISE);
  }

  /** Resolves when the batch must begin. */
  gather(): Promise<void> {
    if (!this.#syncsEveryBatch) return this.#clock.yield();
    this.#sinceMs = this.#clock.monotonicMs();
    return new Promise((resolve) => {
      this.#start = resolve;
      void this.#clock.yield().then(resolve);
    });
  }

  /** Must be called for each record that is added while a batch gathers. */
  appended(): void {
    if (this.#start === undefined || this.#clock.monotonicMs() - this.#sinceMs < this.#syncMs) return;
    this.#start();
    this.#start = undefined;
  }
}
