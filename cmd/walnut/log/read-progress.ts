/**
 * Reports the progress of a long read on stderr: nothing in the first two seconds, then one
 * line every two seconds.
 */
import type { Clock } from '#platform/clock.ts';
import { showBytes, showDuration } from '../output/output.ts';

const EVERY_MS = 2_000;

export class ReadProgress {
  readonly #what: string;
  readonly #bytesTotal: number;
  readonly #clock: Clock;
  readonly #note: (text: string) => void;
  readonly #startMs: number;
  #nextMs: number;
  #bytes = 0;

  /** `bytesTotal`: roughly the number of bytes to read. If more are read, the progress stays at 99 %. */
  constructor(what: string, bytesTotal: number, clock: Clock, note: (text: string) => void) {
    this.#what = what;
    this.#bytesTotal = bytesTotal;
    this.#clock = clock;
    this.#note = note;
    this.#startMs = clock.monotonicMs();
    this.#nextMs = this.#startMs + EVERY_MS;
  }

  readonly add = (bytes: number): void => {
    this.#bytes += bytes;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#nextMs) return;
    this.#nextMs = nowMs + EVERY_MS;
    const elapsedMs = nowMs - this.#startMs;
    const fraction = Math.min(0.99, this.#bytes / Math.max(1, this.#bytesTotal));
    const leftMs = fraction === 0 ? 0 : (elapsedMs * (1 - fraction)) / fraction;
    const rate = showBytes(Math.round((this.#bytes * 1_000) / elapsedMs));
    this.#note(
      `${this.#what}: ${Math.floor(fraction * 100)} %, ${rate}/s, about ${showDuration(leftMs)} left\n`,
    );
  };
}
