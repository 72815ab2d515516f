/**
 * Answers to named writes that say more than the log keeps: values, deadlines. And for
 * as long as a replica could not read them in the log, request ids, which only this
 * master knows then. Bounded; what was not asked for lately is dropped first.
 */
import { LRUCache } from 'lru-cache';
import { type Accepted, mapEntries } from '#master/accepted.ts';
import type { Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';
import { REQUEST_WINDOW_MS } from '#storage/request-table.ts';

/** Memory for all answers: some 10,000 without values. */
export const ANSWERS_BYTES_MAX = 8 * 1_024 * 1_024;
/** What an answer without values takes, about. */
const ANSWER_BYTES = 512;

export interface RecentAnswer {
  /** The same name must come with the same request. */
  readonly checksum: number;
  readonly accepted: Accepted & { readonly position: Position };
  /** True if its record states the name. */
  readonly isLogged: boolean;
}

export class RecentAnswers {
  readonly #answers: LRUCache<string, RecentAnswer>;

  constructor(clock: Clock) {
    this.#answers = new LRUCache({
      maxSize: ANSWERS_BYTES_MAX,
      // An answer that is larger than the whole cache is kept alone.
      sizeCalculation: (answer, key) => Math.min(bytesOf(answer, key), ANSWERS_BYTES_MAX),
      ttl: REQUEST_WINDOW_MS,
      ttlResolution: 0,
      // This library takes an entry of time 0 for one without an age.
      perf: { now: () => clock.monotonicMs() + 1 },
    });
  }

  get(key: string): RecentAnswer | undefined {
    return this.#answers.get(key);
  }

  set(key: string, answer: RecentAnswer): void {
    this.#answers.set(key, answer);
  }
}

function bytesOf({ accepted }: RecentAnswer, key: string): number {
  return 2 * key.length + acceptedBytes(accepted);
}

function acceptedBytes(accepted: Accepted): number {
  let bytes = ANSWER_BYTES * (1 + (accepted.outcomes?.length ?? 0) + (accepted.parts?.length ?? 0));
  mapEntries(accepted, (entry) => {
    bytes += entry.value.length;
    return entry;
  });
  return bytes;
}
