/**
 * Counts which keys clients read on this replica, and reports them to the
 * master. The master evicts by the accesses that it sees; where clients read
 * from replicas it would otherwise evict the keys that are read most. The report
 * is a hint: it may be lost or cut short.
 */
import { LRUCache } from 'lru-cache';
import { HOT_KEYS_BYTES_MAX, utf8Length } from '#model/limits.ts';

/** At most this many keys are counted between two acks; beyond that, the key read longest ago is forgotten. */
const KEYS_MAX = 1_024;

export class HotKeys {
  /** How often each key was read since the last ack. */
  readonly #reads = new LRUCache<string, number>({ max: KEYS_MAX });

  /** A read found `key`. */
  note(key: string): void {
    this.#reads.set(key, (this.#reads.peek(key) ?? 0) + 1);
  }

  /**
   * The keys read most since the last call, at most `HOT_KEYS_BYTES_MAX` bytes.
   * The most read one comes last, so that the master, which touches them in this
   * order, keeps it as the most recent.
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
