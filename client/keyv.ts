/**
 * A store for Keyv 5: `new Keyv({ store: new KeyvWalnut(walnut) })`. Values are the text that
 * Keyv's serializer gives. Entries expire on the node, and every process sees the same.
 * It is checked against Keyv's interface by shape, so that Keyv is no dependency.
 */
import { text } from './codecs.ts';
import { invalid } from './failures.ts';
import { KeyMap, type MapClient } from './key-map.ts';

export interface KeyvWalnutOptions {
  /** Put before every key; default `keyv:`. */
  readonly prefix?: string;
}

/** One entry of `setMany`; `ttl` in milliseconds. */
export interface KeyvEntry {
  readonly key: string;
  readonly value: unknown;
  readonly ttl?: number | undefined;
}

/** Between the namespace and the key, as Keyv writes them. */
const SEPARATOR = ':';

export class KeyvWalnut {
  /** Keyv iterates only over stores of the dialects that it knows by name. */
  readonly opts: Readonly<Record<string, unknown>> = { dialect: 'redis', url: 'walnut' };
  /** Set by Keyv, which puts it before the keys itself. */
  namespace: string | undefined;
  readonly #prefix: string;
  readonly #client: MapClient;
  readonly #entries: KeyMap<string>;

  constructor(client: MapClient, { prefix = 'keyv:' }: KeyvWalnutOptions = {}) {
    if (prefix === '')
      throw invalid('prefix is empty: expected one, so that clear deletes only what is Keyv’s');
    this.#prefix = prefix;
    this.#client = client;
    this.#entries = new KeyMap(client, prefix, text());
  }

  get(key: string): Promise<string | undefined> {
    return this.#entries.get(key);
  }

  getMany(keys: readonly string[]): Promise<(string | undefined)[]> {
    return Promise.all(keys.map((key) => this.#entries.get(key)));
  }

  /** `ttl`: milliseconds; undefined or 0: as long as the node's default says. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    const ttlMs = ttl === undefined || ttl === 0 ? undefined : Math.max(1, Math.ceil(ttl));
    const { applied } = await this.#entries.set(key, textOf(value), ttlMs === undefined ? {} : { ttlMs });
    return applied;
  }

  async setMany(entries: readonly KeyvEntry[]): Promise<boolean[]> {
    return Promise.all(entries.map(({ key, value, ttl }) => this.set(key, value, ttl)));
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#entries.delete(key)).deleted;
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
    return Promise.all(keys.map((key) => this.#entries.has(key)));
  }

  /** Deletes the entries of the namespace; without one all of them. */
  async clear(): Promise<void> {
    await this.#client.deletePrefix(this.#prefix + this.#inNamespace(this.namespace), {});
  }

  /** Gives the entries of a namespace, in no order, with their keys as Keyv has them. */
  async *iterator(namespace = this.namespace): AsyncGenerator<[key: string, value: string], void, undefined> {
    const prefix = this.#prefix + this.#inNamespace(namespace);
    for await (const [key, value] of new KeyMap(this.#client, prefix, text()).entries())
      yield [this.#inNamespace(namespace) + key, value];
  }

  /** The client is its caller's, who closes it. */
  async disconnect(): Promise<void> {}

  #inNamespace(namespace: string | undefined): string {
    return namespace === undefined || namespace === '' ? '' : namespace + SEPARATOR;
  }
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  throw invalid(`a value of type ${typeof value}: expected text, as Keyv's serializer gives it`);
}
