/**
 * Which keys clients read here of late, for the master: it evicts by what it
 * sees, and where reads go to replicas it would see none and evict the keys
 * that are read most. A hint: it may be lost or cut short, and no promise
 * hangs on it.
 */
import { LRUCache } from 'lru-cache';
import { HOT_KEYS_BYTES_MAX, utf8Length } from '#model/limits.ts';

/** Distinct keys counted between two acks: of more, those read longest ago are forgotten. */
const KEYS_MAX = 1_024;

export class HotKeys {
  /** How often each was read since the last ack. */
  readonly #reads = new LRUCache<string, number>({ max: KEYS_MAX });

  /** A read found `key`. */
  note(key: string): void {
    this.#reads.set(key, (this.#reads.peek(key) ?? 0) + 1);
  }

  /**
   * The keys read most since the last call, the least read first (so that
   * touching them in this order leaves the hottest the most recent), together
   * at most `HOT_KEYS_BYTES_MAX` bytes.
   */
  take(): string[] {
    if (this.#reads.size === 0) return [];
    const byReads = [...this.#reads.entries()].sort(([, a], [, b]) => b - a);
    this.#reads.clear();
    const keys: string[] = [];
    let bytes = 0;
    for (const [key] of byReads) {
      bytes += utf8Length(key);
      if (bytes > HOT_KEYS_BYTES_MAX) break;
      keys.push(key);
    }
    return keys.reverse();
  }
}
