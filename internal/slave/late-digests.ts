/**
 * Digests that the master stated for records which a delayed replica has and
 * has not applied yet: compared when it has. Bounded: they are spread over the
 * delay, since each is of the whole state, and one that comes too soon after
 * the last one kept is dropped.
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

  /** The master's digest at `lsn`, which is applied here after `delayMs`. */
  note(lsn: Lsn, digest: string, delayMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    if (digest === '' || this.#kept.length >= KEPT_MAX || nowMs - this.#keptMs < delayMs / KEPT_MAX) return;
    if (lsn <= (this.#kept.at(-1)?.lsn ?? 0)) return;
    this.#kept.push({ lsn, digest });
    this.#keptMs = nowMs;
  }

  /** Those up to `appliedLsn`, oldest first; they are given once. */
  take(appliedLsn: Lsn): readonly Stated[] {
    const count = this.#kept.findLastIndex(({ lsn }) => lsn <= appliedLsn) + 1;
    return count === 0 ? [] : this.#kept.splice(0, count);
  }

  /** The log here was replaced. */
  clear(): void {
    this.#kept = [];
  }
}
