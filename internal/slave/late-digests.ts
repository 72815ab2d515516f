/**
 * Keeps the digests that the master stated for records that a delayed replica
 * has not applied yet, until it has. At most `KEPT_MAX` are kept, spread evenly
 * over the delay: each covers the whole state, so one that comes too soon after
 * the last is dropped.
 */
import type { Lsn } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

const KEPT_MAX = 64;

interface Stated {
  readonly lsn: Lsn;
  readonly digest: string;
}

export class LateDigests {
  readonly #clock: Clock;
  #kept: Stated[] = [];
  #keptMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Keeps the master's digest at `lsn`, which is applied here after about `delayMs`. */
  note(lsn: Lsn, digest: string, delayMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (digest === '' || this.#kept.length >= KEPT_MAX || nowMs - this.#keptMs < delayMs / KEPT_MAX) return;
    if (lsn <= (this.#kept.at(-1)?.lsn ?? 0)) return;
    this.#kept.push({ lsn, digest });
    this.#keptMs = nowMs;
  }

  /** Removes and returns the digests up to `appliedLsn`, oldest first. */
  take(appliedLsn: Lsn): readonly Stated[] {
    const count = this.#kept.findLastIndex(({ lsn }) => lsn <= appliedLsn) + 1;
    return count === 0 ? [] : this.#kept.splice(0, count);
  }

  /** Called when the log was replaced. */
  clear(): void {
    this.#kept = [];
  }
}
