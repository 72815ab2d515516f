/**
 * When an idle writer begins a batch. Whatever else a turn of the event loop
 * brings belongs to it, so that it is one write and one fdatasync. But where the
 * disk is quicker than the turn, callers would wait for the disk and the disk
 * for callers by turns: there a batch begins when it has gathered for as long as
 * an fdatasync takes, which then runs beside the rest of the turn.
 */
import type { Clock } from '#platform/clock.ts';

/** Less is not measured. */
const SYNC_MS_MIN = 0.01;
/** What is measured has waits of the event loop in it; the least of late is nearest. It rises so much from one to the next. */
const RISE = 1.02;

export class BatchStart {
  readonly #clock: Clock;
  readonly #syncsEveryBatch: boolean;
  #syncMs = Number.POSITIVE_INFINITY;
  #sinceMs = 0;
  #start: (() => void) | undefined;

  /** Without an fdatasync for every batch there is nothing that could run beside. */
  constructor(clock: Clock, syncsEveryBatch: boolean) {
    this.#clock = clock;
    this.#syncsEveryBatch = syncsEveryBatch;
  }

  /** An fdatasync took so long. */
  noteSync(tookMs: number): void {
    this.#syncMs = Math.min(tookMs, Math.max(this.#syncMs, SYNC_MS_MIN) * RISE);
  }

  /** Resolves when the batch is to begin. */
  gather(): Promise<void> {
    if (!this.#syncsEveryBatch) return this.#clock.yield();
    this.#sinceMs = this.#clock.monotonicMs();
    return new Promise((resolve) => {
      this.#start = resolve;
      void this.#clock.yield().then(resolve);
    });
  }

  /** One more record is there. */
  appended(): void {
    if (this.#start === undefined || this.#clock.monotonicMs() - this.#sinceMs < this.#syncMs) return;
    this.#start();
    this.#start = undefined;
  }
}
