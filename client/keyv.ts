/**
 * Stores for Keyv: `new Keyv({ store: new KeyvWalnut(walnut) })` is for Keyv 6, and
 * `KeyvWalnut5` for Keyv 5 and what is built on it. Values are the text that Keyv's
 * serializer gives. Entries expire on the node, and every process sees the same. The stores
 * are checked against Keyv's interfaces by shape, so that Keyv is no dependency.
 */
import { Code } from '@connectrpc/connect';
import { checkNames, namesOf } from './call-options.ts';
import { text } from './codecs.ts';
import { type CallError, invalid } from './failures.ts';
import { KeyMap, type MapClient, type MapSetOptions } from './key-map.ts';

export interface KeyvWalnutOptions {
  /** Put before every key; default `keyv:`. */
  readonly prefix?: string;
}

/** One entry of `setMany` of Keyv 6; `expires` in milliseconds since the Unix epoch. */
export interface KeyvEntry {
  readonly key: string;
  readonly value: unknown;
  readonly expires?: number | undefined;
}

/** One entry of `setMany` of Keyv 5; `ttl` in milliseconds. */
export interface Keyv5Entry {
  readonly key: string;
  readonly value: unknown;
  readonly ttl?: number | undefined;
}

const OPTIONS = namesOf({ prefix: true } satisfies Record<keyof KeyvWalnutOptions, true>);
/** Between the namespace and the key. */
const SEPARATOR = ':';

/** What both versions ask of a store in the same way. Keys are those of the node, without its prefix. */
class Entries {
  readonly #client: MapClient;
  readonly #prefix: string;
  readonly #map: KeyMap<string>;

  constructor(client: MapClient, options: KeyvWalnutOptions) {
    checkNames(options, OPTIONS);
    const { prefix = 'keyv:' } = options;
    if (prefix === '')
      throw invalid('prefix is empty: expected one, so that clear deletes only what is Keyv’s');
    this.#client = client;
    this.#prefix = prefix;
    this.#map = new KeyMap(client, prefix, text());
  }

  get(key: string): Promise<string | undefined> {
    return this.#map.get(key);
  }

  has(key: string): Promise<boolean> {
    return this.#map.has(key);
  }

  async set(key: string, value: unknown, options: MapSetOptions): Promise<boolean> {
    if (typeof value !== 'string')
      throw invalid(`a value of type ${typeof value}: expected text, as Keyv's serializer gives it`);
    return (await this.#map.set(key, value, options)).applied;
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#map.delete(key)).deleted;
  }

  async clear(within: string): Promise<void> {
    await this.#client.deletePrefix(this.#prefix + within, {});
  }

  /** The entries whose keys begin with `within`, in no order, with what follows it. */
  pairs(within: string): AsyncGenerator<[key: string, value: string], void, undefined> {
    return new KeyMap(this.#client, this.#prefix + within, text()).entries();
  }
}

function withinOf(namespace: string | undefined): string {
  return namespace === undefined || namespace === '' ? '' : namespace + SEPARATOR;
}

/** At least 1: what is past is deleted by the node. Throws INVALID_ARGUMENT for what is no number of milliseconds. */
function wholeMs(name: string, ms: number): number {
  const whole = Math.max(1, Math.ceil(ms));
  if (Number.isSafeInteger(whole)) return whole;
  throw invalid(`${name} is ${ms}: expected milliseconds`);
}

/** A number of milliseconds below this (2001) is a duration, not a moment. */
const MOMENT_MS_MIN = 1e12;

function momentOf(expires: number | undefined): MapSetOptions {
  if (expires === undefined) return {};
  if (expires < MOMENT_MS_MIN) throw notForKeyv5(`expires is ${String(expires)}`);
  return { expireAtMs: wholeMs('expires', expires) };
}

function notForKeyv5(what: string): CallError {
  return invalid(
    `${what}: expected expires as milliseconds since 1970, after 2001. KeyvWalnut is for Keyv 6; ` +
      'for Keyv 5 and cache-manager use KeyvWalnut5',
  );
}

/**
 * The answer for each, false for one that failed. Rejects where all failed, with the first
 * error, and with a loss of what the session saw, which is told only once.
 */
async function eachOf(writes: readonly Promise<boolean>[]): Promise<boolean[]> {
  const settled = await Promise.allSettled(writes);
  const errors = settled.flatMap((each) => (each.status === 'rejected' ? [each.reason as CallError] : []));
  const loss = errors.find(({ code }) => code === Code.DataLoss);
  if (loss !== undefined) throw loss;
  if (errors.length > 0 && errors.length === settled.length) throw errors[0];
  return settled.map((each) => each.status === 'fulfilled' && each.value);
}

export class KeyvWalnut {
  /** Tells Keyv that `expires` is a moment; otherwise it takes this for a store of Keyv 5. */
  readonly capabilities = { expires: true } as const;
  /** Set by Keyv. Its entries are kept apart from those of other namespaces. */
  namespace: string | undefined;
  readonly #entries: Entries;

  constructor(client: MapClient, options: KeyvWalnutOptions = {}) {
    this.#entries = new Entries(client, options);
  }

  get(key: string): Promise<string | undefined> {
    return this.#entries.get(this.#full(key));
  }

  getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  /**
   * `expires`: milliseconds since the Unix epoch; undefined: as long as the node's default
   * says. Rejects with INVALID_ARGUMENT for one before 2001: it is a duration, as Keyv 5 gives.
   */
  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    return this.#entries.set(this.#full(key), value, momentOf(expires));
  }

  /** True for each that was written. Rejects where none could be. */
  setMany(entries: readonly KeyvEntry[]): Promise<boolean[]> {
    return eachOf(
      entries.map(async (entry) => {
        if ('ttl' in entry && entry.ttl !== undefined) throw notForKeyv5(`ttl is ${String(entry.ttl)}`);
        return this.set(entry.key, entry.value, entry.expires);
      }),
    );
  }

  delete(key: string): Promise<boolean> {
    return this.#entries.delete(this.#full(key));
  }

  /** True for each that was there. */
  deleteMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.delete(key)));
  }

  has(key: string): Promise<boolean> {
    return this.#entries.has(this.#full(key));
  }

  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  /** Deletes the entries of the namespace; without one all of them. */
  clear(): Promise<void> {
    return this.#entries.clear(withinOf(this.namespace));
  }

  /** Gives the entries of the namespace, in no order. */
  iterator(): AsyncGenerator<[key: string, value: string], void, undefined> {
    return this.#entries.pairs(withinOf(this.namespace));
  }

  /** The client is its caller's, who closes it. */
  async disconnect(): Promise<void> {}

  #full(key: string): string {
    return withinOf(this.namespace) + key;
  }
}

export class KeyvWalnut5 {
  /** Keyv iterates only over stores of the dialects that it knows by name. */
  readonly opts: Readonly<Record<string, unknown>> = { dialect: 'redis', url: 'walnut' };
  /** Set by Keyv, which puts it before the keys itself. */
  namespace: string | undefined;
  readonly #entries: Entries;

  constructor(client: MapClient, options: KeyvWalnutOptions = {}) {
    this.#entries = new Entries(client, options);
  }

  get(key: string): Promise<string | undefined> {
    return this.#entries.get(key);
  }

  getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  /** `ttl`: milliseconds; undefined or 0: as long as the node's default says. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const isLimited = ttl !== undefined && ttl !== 0;
    return this.#entries.set(key, value, isLimited ? { ttlMs: wholeMs('ttl', ttl) } : {});
  }

  /** True for each that was written. Rejects where none could be. */
  setMany(entries: readonly Keyv5Entry[]): Promise<boolean[]> {
    return eachOf(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  delete(key: string): Promise<boolean> {
    return this.#entries.delete(key);
  }

  /** True if all of them were there. */
  async deleteMany(keys: readonly string[]): Promise<boolean> {
    const deleted = await Promise.all(keys.map((key) => this.delete(key)));
    return deleted.every(Boolean);
  }

  has(key: string): Promise<boolean> {
    return this.#entries.has(key);
  }

  hasMany(keys: readonly string[]): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this.has(key)));
  }

  /** Deletes the entries of the namespace; without one all of them. */
  clear(): Promise<void> {
    return this.#entries.clear(withinOf(this.namespace));
  }

  /** Gives the entries of a namespace, in no order, with their keys as Keyv has them. */
  async *iterator(namespace = this.namespace): AsyncGenerator<[key: string, value: string], void, undefined> {
    const within = withinOf(namespace);
    for await (const [key, value] of this.#entries.pairs(within)) yield [within + key, value];
  }

  /** The client is its caller's, who closes it. */
  async disconnect(): Promise<void> {}
}
