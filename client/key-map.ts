/**
 * The keys with one prefix as a map of typed values. A value that cannot be encoded is
 * refused before anything is sent; one that cannot be decoded rejects, and the error says
 * that a write was done. What `getOrSet` keeps as missing (`absentTtlMs`) is missing for what
 * gives values here, and an entry for what the node decides or counts.
 */

import { Code } from '@connectrpc/connect';
import type { DeleteResponse, GetResponse, SetResponse, WatchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { type Entry, Op } from '#gen/walnut/v1/types_pb.ts';
import { isAbsent } from './absent.ts';
import { checkKey } from './call-options.ts';
import { type Codec, checkCodec, decoded, encoded } from './codecs.ts';
import { notGiven } from './failures.ts';
import type { Load } from './get-or-set.ts';
import { Iteration } from './iteration.ts';
import type { GetOrSetOptions } from './load-plan.ts';
import type { CallOptions, DeleteOptions, GetOptions, SetOptions } from './operations.ts';
import type { DeletePrefixOptions } from './paged-calls.ts';
import type { WatchOptions, WatchTarget } from './watch.ts';

/** The calls of a client that a map needs. */
export interface MapClient {
  get(key: string, options: GetOptions & CallOptions): Promise<GetResponse>;
  set(key: string, value: Uint8Array, options: SetOptions & CallOptions): Promise<SetResponse>;
  delete(key: string, options: DeleteOptions & CallOptions): Promise<DeleteResponse>;
  deletePrefix(prefix: string, options: DeletePrefixOptions & CallOptions): Promise<number>;
  count(prefix: string, options: CallOptions): Promise<number>;
  scan(prefix: string, options: CallOptions): AsyncIterable<Entry>;
  watch(what: WatchTarget, options: WatchOptions): AsyncIterable<WatchResponse>;
  getOrSet<T>(
    key: string,
    load: Load<T>,
    options: GetOrSetOptions & { readonly codec: Codec<T> },
  ): Promise<T | undefined>;
}

export type MapSetOptions = SetOptions & CallOptions;
type Condition = Extract<NonNullable<SetOptions['condition']>, { readonly case: string }>;

/** What became of a `replace` with a condition. */
export interface Replaced<T> {
  /** False: the condition was not met, and nothing was written. */
  readonly applied: boolean;
  /** The value before; undefined if there was none, or nothing was written. */
  readonly previous: T | undefined;
}

/** One change of an entry; `value` is undefined where the entry is gone. */
export interface MapChange<T> {
  readonly key: string;
  readonly value: T | undefined;
}

export class KeyMap<T> {
  readonly prefix: string;
  readonly #client: MapClient;
  readonly #codec: Codec<T>;

  constructor(client: MapClient, prefix: string, codec: Codec<T>) {
    checkKey(prefix, 'prefix');
    checkCodec(codec);
    this.#client = client;
    this.prefix = prefix;
    this.#codec = codec;
  }

  /** Undefined if the key is missing. */
  async get(key: string, options: GetOptions & CallOptions = {}): Promise<T | undefined> {
    const answer = await this.#client.get(this.#named(key), options);
    return isValue(answer) ? this.#decode(key, answer.value, 'not_done') : undefined;
  }

  async has(key: string, options: GetOptions & CallOptions = {}): Promise<boolean> {
    return isValue(await this.#client.get(this.#named(key), options));
  }

  /**
   * Resolves with what became of it: `applied: false` if a condition was not met. For a condition,
   * what `getOrSet` keeps as missing is an entry: `ifAbsent` is not met, `ifPresent` is.
   */
  async set(key: string, value: T, options: MapSetOptions = {}): Promise<SetResponse> {
    return this.#client.set(this.#named(key), this.#encode(key, value), options);
  }

  /**
   * Writes, and resolves with the value before; undefined if there was none. With a condition it resolves
   * with whether that was met, too. Where the answer was lost and the write repeated, the value before
   * is not known, and it is not shown to a user who may not read the key: both reject with `outcome: 'done'`.
   */
  replace(
    key: string,
    value: T,
    options: MapSetOptions & { readonly condition: Condition },
  ): Promise<Replaced<T>>;
  replace(
    key: string,
    value: T,
    options?: MapSetOptions & { readonly condition?: undefined },
  ): Promise<T | undefined>;
  async replace(key: string, value: T, options: MapSetOptions = {}): Promise<Replaced<T> | T | undefined> {
    const answer = await this.set(key, value, { ...options, returnPrevious: true });
    const previous = this.#previousOf(key, answer);
    return options.condition?.case === undefined ? previous : { applied: answer.applied, previous };
  }

  #previousOf(key: string, { applied, repeated, leftOut, previous }: SetResponse): T | undefined {
    if (!applied) return undefined;
    if (repeated && previous === undefined)
      throw notGiven(`${show(key)} is written, but its value before is not known`, Code.Unavailable, 'done');
    if (leftOut)
      throw notGiven(
        `${show(key)} is written, but you may not read its value before`,
        Code.PermissionDenied,
        'done',
      );
    if (previous === undefined || isAbsent(previous)) return undefined;
    return this.#decode(key, previous.value, 'done');
  }

  /** `deleted: false` if the key was missing, and true where `getOrSet` kept it as missing. */
  async delete(key: string, options: DeleteOptions & CallOptions = {}): Promise<DeleteResponse> {
    return this.#client.delete(this.#named(key), options);
  }

  /** Deletes every entry of the map. Resolves with how many there were, as `count` counts them. */
  clear(options: CallOptions = {}): Promise<number> {
    return this.#client.deletePrefix(this.prefix, { ...options, all: this.prefix === '' });
  }

  /** How many entries there are, those too that `getOrSet` keeps as missing. */
  count(options: CallOptions = {}): Promise<number> {
    return this.#client.count(this.prefix, options);
  }

  /** Gives every entry, in no order. */
  entries(options: CallOptions = {}): AsyncGenerator<[key: string, value: T], void, undefined> {
    const open = (signal: AbortSignal) => this.#entries({ ...options, signal });
    return new Iteration({ open, signals: [options.signal] });
  }

  async *#entries(options: CallOptions): AsyncGenerator<[key: string, value: T], void, undefined> {
    for await (const entry of this.#client.scan(this.prefix, options)) {
      if (isAbsent(entry)) continue;
      const name = entry.key.slice(this.prefix.length);
      yield [name, this.#decode(name, entry.value, 'not_done')];
    }
  }

  /** Gives every change once and in order, as `watch` does. What `getOrSet` keeps as missing is a change without a value. */
  changes(options: WatchOptions = {}): AsyncGenerator<MapChange<T>, void, undefined> {
    const open = (signal: AbortSignal) => this.#changes({ ...options, signal });
    return new Iteration({ open, signals: [options.signal] });
  }

  async *#changes(options: WatchOptions): AsyncGenerator<MapChange<T>, void, undefined> {
    const ops = [Op.SET, Op.DELETE];
    for await (const { events } of this.#client.watch({ prefix: this.prefix }, { ops, ...options }))
      for (const event of events) {
        const name = event.key.slice(this.prefix.length);
        const isGone = event.op === Op.DELETE || isAbsent(event);
        if (isGone) yield { key: name, value: undefined };
        else if (event.op === Op.SET) yield { key: name, value: this.#decode(name, event.value, 'not_done') };
      }
  }

  /** The value of the key, loaded if it is missing: see `WalnutClient.getOrSet`. */
  async getOrSet(key: string, load: Load<T>, options: GetOrSetOptions): Promise<T | undefined> {
    const codec: Codec<T> = {
      encode: (value) => this.#encode(key, value),
      decode: (bytes) => this.#decode(key, bytes, 'not_done'),
    };
    return this.#client.getOrSet(this.#named(key), load, { ...options, codec });
  }

  /** The key of the node. What is no text would be read and written as one that nobody chose. */
  #named(key: string): string {
    checkKey(key);
    return this.prefix + key;
  }

  #encode(key: string, value: T): Uint8Array {
    return encoded(this.#codec, key, value);
  }

  #decode(key: string, content: Uint8Array, outcome: 'done' | 'not_done'): T {
    return decoded(this.#codec, key, content, outcome);
  }
}

function isValue(answer: Pick<GetResponse, 'found' | 'contentType'>): boolean {
  return answer.found && !isAbsent(answer);
}

function show(key: string): string {
  return JSON.stringify(key);
}
