/**
 * Finds the keys that are used most without work for reads and writes: the store keeps the
 * order of last use anyway, so looking at its newest entry again and again is a random
 * sample of all accesses. Of a batch, which is one turn of the event loop, a look sees the
 * last key only.
 */
import type { Engine } from '#engine/engine.ts';
import { checkCaller, WalnutError } from '#model/errors.ts';
import type { HotKeysAnswer, HotKeysCommand, LatestAccess } from '#model/hot-keys.ts';
import type { Clock } from '#platform/clock.ts';

const LOOK_MS = 5;
/** Each call keeps the keys that it saw, at most one a look. */
const CALLS_MAX = 4;

export class HotKeyLooks {
  readonly #engine: () => Engine;
  readonly #clock: Clock;
  #calls = 0;

  /** `engine`: the one that is read from now; throws where nothing may be read. */
  constructor(engine: () => Engine, clock: Clock) {
    this.#engine = engine;
    this.#clock = clock;
  }

  /** Throws `resource_exhausted` while `CALLS_MAX` others look. */
  async look(command: HotKeysCommand, signal?: AbortSignal): Promise<HotKeysAnswer> {
    if (this.#calls >= CALLS_MAX)
      throw new WalnutError(
        'resource_exhausted',
        `${CALLS_MAX} callers are looking already: try again later`,
      );
    this.#calls++;
    try {
      return await this.#look(command, signal);
    } finally {
      this.#calls--;
    }
  }

  /** What was used last, and the count of all uses; undefined where nothing may be read. */
  latest(): LatestAccess | undefined {
    try {
      return this.#engine().store.lastAccess();
    } catch {
      return undefined;
    }
  }

  async #look(
    { durationMs, limit }: HotKeysCommand,
    signal: AbortSignal | undefined,
  ): Promise<HotKeysAnswer> {
    const seen = new Map<string, number>();
    let looks = 0;
    let accesses = 0;
    let engine = this.#engine();
    let before = engine.store.lastAccess().accesses;
    const startMs = this.#clock.monotonicMs();
    while (this.#clock.monotonicMs() - startMs < durationMs) {
      await this.#clock.sleep(LOOK_MS, signal);
      checkCaller(signal);
      const now = this.#engine();
      const last = now.store.lastAccess();
      // Another engine has a count of its own.
      const more = now === engine ? last.accesses - before : 0;
      engine = now;
      before = last.accesses;
      accesses += more;
      if (more === 0 || last.key === undefined) continue;
      looks++;
      seen.set(last.key, (seen.get(last.key) ?? 0) + 1);
    }
    const sorted = [...seen].sort(([, a], [, b]) => b - a).slice(0, limit);
    return {
      keys: sorted.map(([key, count]) => ({ key, looks: count })),
      looks,
      accesses,
      durationMs: Math.round(this.#clock.monotonicMs() - startMs),
      distinct: seen.size,
    };
  }
}
