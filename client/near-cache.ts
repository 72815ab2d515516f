/**
 * A near cache: the entries of some prefixes in this process's own memory, kept right by
 * a watch and given out only while it is known how fresh they are. A watch that breaks
 * goes on from its place, so that nothing is thrown away; what it no longer can go on
 * from empties the cache.
 */
import type { GetResponse, WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#gen/walnut/v1/types_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { shown } from '#platform/shown.ts';
import { checkKey } from './call-options.ts';
import { invalid } from './failures.ts';
import { NearState, type NearStats } from './near-state.ts';

export type { NearStats } from './near-state.ts';

import type { WatchOptions, WatchTarget } from './watch.ts';

export interface NearOptions {
  /** Keys that begin with it are kept near. Empty: all keys. */
  readonly prefix: string;
  /** What entries may use of memory, bytes; default 64 MiB. */
  readonly bytesMax?: number;
  /** No answer is older than this, milliseconds; default 1,000, at least 200. */
  readonly maxStalenessMs?: number;
}

/** The calls of a client that this needs. `read` goes to a node, not to this cache, and beside the session. */
export interface NearClient {
  watch(what: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse>;
  read(key: string): Promise<GetResponse>;
}

/** The default of `bytesMax`. */
export const NEAR_BYTES_MAX = 67_108_864;
const STALENESS_MS = 1_000;
const STALENESS_MS_MIN = 200;
/** The least that nodes take for the pace of marks. */
const PROGRESS_MS_MIN = 100;
/** Marks and probes in the time that an answer may be old. */
const PARTS = 4;
/** The pause after a watch that could not go on. */
const PAUSE_MS = 1_000;
/** Is read to learn how fresh the mark is, if every key is kept near: a key need not be there. */
const PROBED_KEY = 'walnut';

export class NearCache {
  readonly prefix: string;
  readonly #client: NearClient;
  readonly #clock: Clock;
  readonly #state: NearState;
  readonly #stalenessMs: number;
  readonly #signal: AbortSignal;
  #running: Promise<unknown> | undefined;

  /** `signal` ends its watch. Throws INVALID_ARGUMENT for options out of range. */
  constructor(client: NearClient, clock: Clock, options: NearOptions, signal: AbortSignal) {
    const { prefix, bytesMax = NEAR_BYTES_MAX, maxStalenessMs = STALENESS_MS } = options;
    checkNear(options);
    this.prefix = prefix;
    this.#client = client;
    this.#clock = clock;
    this.#stalenessMs = maxStalenessMs;
    this.#state = new NearState({ bytesMax, stalenessMsMax: maxStalenessMs });
    this.#signal = signal;
  }

  /** Resolves when its watch has ended, which the signal makes it do. */
  async ended(): Promise<void> {
    await this.#running;
  }

  get stats(): NearStats {
    return this.#state.stats;
  }

  covers(key: string): boolean {
    return key.startsWith(this.prefix);
  }

  /**
   * The answer from memory, of a state that includes `required`; else from a node, by `read`.
   * The bytes of a value are shared: do not change them.
   */
  async get(
    key: string,
    required: Position | undefined,
    read: () => Promise<GetResponse>,
  ): Promise<GetResponse> {
    this.#running ??= Promise.all([this.#follow(), this.#probe()]);
    const nowMs = this.#clock.monotonicMs();
    const known = this.#state.find(key, required, nowMs, this.#clock.wallMs());
    if (known !== undefined) return known;
    const under = this.#state.begin(key, nowMs);
    let answer: GetResponse | undefined;
    try {
      answer = await read();
      return answer;
    } finally {
      this.#state.end(under, answer);
    }
  }

  async #follow(): Promise<void> {
    const progressEveryMs = Math.max(PROGRESS_MS_MIN, Math.floor(this.#stalenessMs / PARTS));
    const options = { keysOnly: true, progressEveryMs, signal: this.#signal };
    while (!this.#signal.aborted) {
      this.#state.reset();
      try {
        for await (const { events, position } of this.#client.watch({ prefix: this.prefix }, options))
          this.#state.onChanges(events, position);
      } catch {
        // The log no longer reaches back, or no node answers: begin anew, with nothing.
      }
      await this.#clock.sleep(PAUSE_MS, this.#signal);
    }
  }

  /** Reads often enough for the mark to be known as fresh while nobody else reads. */
  async #probe(): Promise<void> {
    const key = this.prefix === '' ? PROBED_KEY : this.prefix;
    while (!this.#signal.aborted) {
      const sentMs = this.#clock.monotonicMs();
      const answer = await this.#client.read(key).catch(() => undefined);
      if (answer !== undefined) this.#state.sample(sentMs, answer);
      await this.#clock.sleep(this.#stalenessMs / PARTS, this.#signal);
    }
  }
}

/** Throws INVALID_ARGUMENT for options out of range. */
export function checkNear({ prefix, bytesMax = 1, maxStalenessMs = STALENESS_MS }: NearOptions): void {
  checkKey(prefix, 'near.prefix');
  if (!prefix.isWellFormed())
    throw invalid('ill-formed text: near.prefix has lone surrogates, expected none');
  checkNumber('near.bytesMax', bytesMax, 1);
  checkNumber('near.maxStalenessMs', maxStalenessMs, STALENESS_MS_MIN);
}

function checkNumber(name: string, value: number, min: number): void {
  if (!Number.isSafeInteger(value) || value < min)
    throw invalid(`${name} is ${shown(value)}: expected a whole number from ${min}`);
}
