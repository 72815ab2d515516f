/** What callers of gateways were answered: what the keys must have now, and how long each call took. */
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';

const NS_PER_MS = 1e6;
const PERCENTILES = [50, 90, 99, 99.9, 100];

export class GatewayTally {
  /** Increments that were acknowledged, by key. */
  readonly counts = new Map<string, number>();
  /** The text that a key was set to last, by its only writer. */
  readonly texts = new Map<string, string>();
  /** An operation on these had an error for an answer, or was not acknowledged at QUORUM. */
  readonly doubtful = new Set<string>();
  /** Operations that had an error for an answer, or none, and what the first was told. */
  errors = 0;
  firstError = '';
  acked = 0;
  /** Acknowledged below QUORUM, since that took too long. */
  below = 0;
  reads = 0;
  /** Reads that showed something else than was acknowledged before, and the first of them. */
  wrong = 0;
  firstWrong = '';
  /** How long the longest call took that ended since this was set to 0. */
  longestMs = 0;
  readonly #waits = new Map<string, RecordableHistogram>();

  counted(key: string, isAtQuorum: boolean): void {
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    this.#acked(key, isAtQuorum);
  }

  wrote(key: string, text: string, isAtQuorum: boolean): void {
    this.texts.set(key, text);
    this.#acked(key, isAtQuorum);
  }

  /** `text`: empty where the key was not found. */
  read(key: string, text: string): void {
    this.reads++;
    const expected = this.texts.get(key) ?? '';
    if (text === expected || this.doubtful.has(key)) return;
    this.wrong++;
    this.firstWrong ||= `${key} was ${text.slice(0, 20)}, not ${expected.slice(0, 20)}`;
  }

  failed(keys: readonly string[], why: string): void {
    this.errors += keys.length;
    this.firstError ||= why;
    for (const key of keys) this.doubtful.add(key);
  }

  waited(way: string, ms: number): void {
    this.longestMs = Math.max(this.longestMs, ms);
    let waits = this.#waits.get(way);
    if (waits === undefined) {
      waits = createHistogram();
      this.#waits.set(way, waits);
    }
    waits.record(Math.max(1, Math.round(ms * NS_PER_MS)));
  }

  /** One line for each way, and one for all of them. */
  get waits(): string[] {
    const all = createHistogram();
    for (const waits of this.#waits.values()) all.add(waits);
    const ways = [...this.#waits].sort(([a], [b]) => (a < b ? -1 : 1));
    return [...ways, ['all', all] as const].map(([way, waits]) => {
      const at = PERCENTILES.map((percent) => {
        const name = percent === 100 ? 'highest' : `p${percent}`;
        return `${name} ${(waits.percentile(percent) / NS_PER_MS).toFixed(1)}`;
      });
      return `${way}: ${waits.count} calls, ms: ${at.join(', ')}`;
    });
  }

  #acked(key: string, isAtQuorum: boolean): void {
    this.acked++;
    if (isAtQuorum) return;
    this.below++;
    this.doubtful.add(key);
  }
}
