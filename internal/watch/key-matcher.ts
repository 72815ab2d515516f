/**
 * Which watchers a key is of interest to. One running hash over the key's bytes is looked
 * up at the length of each watched prefix and, for watched keys, at its end, so that a
 * lookup costs as much with a thousand prefixes as with one, and makes neither text nor
 * garbage.
 */
import type { WatchTarget } from '#model/watch.ts';
import { beginsWith, bytesOfTarget } from '#watch/target.ts';

interface Group<T> {
  /** Prefix or key, as UTF-8. */
  readonly bytes: Buffer;
  readonly members: T[];
}

/** Groups by the hash of their text; those with equal hashes in one list. */
type Table<T> = Map<number, Group<T>[]>;

const FNV_PRIME = 0x0100_0193;
/** Hashes of 30 bits are small integers to V8. */
const HASH_MASK = 0x3fff_ffff;

export class KeyMatcher<T> {
  readonly #seed: number;
  readonly #prefixes: Table<T> = new Map();
  readonly #keys: Table<T> = new Map();
  /** By length in bytes, how many different prefixes are watched. */
  #lengths = new Uint32Array(64);
  #members = 0;

  /** `seed`: 32 random bits, so that nobody can choose prefixes that collide. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  /** Members, each as often as it was added. */
  get size(): number {
    return this.#members;
  }

  /** Returns how to remove it; a second call does nothing. */
  add(target: WatchTarget, member: T): () => void {
    const isPrefix = target.kind === 'prefix';
    const table = isPrefix ? this.#prefixes : this.#keys;
    const group = this.#groupOf(table, bytesOfTarget(target));
    if (isPrefix && group.members.length === 0) this.#count(group.bytes.length, 1);
    group.members.push(member);
    this.#members++;
    return () => this.#remove(table, group, member);
  }

  /** Appends to `found` every member that the key, `length` bytes of UTF-8 at `from`, is of interest to. */
  match(bytes: Buffer, from: number, length: number, found: T[]): void {
    const lengths = this.#lengths;
    let hash = this.#seed;
    for (let i = 0; i < length; i++) {
      if (i < lengths.length && (lengths[i] as number) > 0)
        this.#find(this.#prefixes, hash, bytes, from, i, found);
      hash = Math.imul(hash ^ (bytes[from + i] as number), FNV_PRIME);
    }
    if (length < lengths.length && (lengths[length] as number) > 0)
      this.#find(this.#prefixes, hash, bytes, from, length, found);
    if (this.#keys.size > 0) this.#find(this.#keys, hash, bytes, from, length, found);
  }

  /** Those whose bytes are the first `length` of the key. */
  #find(table: Table<T>, hash: number, bytes: Buffer, from: number, length: number, found: T[]): void {
    const groups = table.get(hash & HASH_MASK);
    if (groups === undefined) return;
    for (const group of groups) {
      if (group.bytes.length !== length || !beginsWith(bytes, from, group.bytes)) continue;
      for (let i = 0; i < group.members.length; i++) found.push(group.members[i] as T);
    }
  }

  #groupOf(table: Table<T>, bytes: Buffer): Group<T> {
    const hash = this.#hash(bytes);
    const groups = table.get(hash) ?? [];
    const known = groups.find((group) => group.bytes.equals(bytes));
    if (known !== undefined) return known;
    const group: Group<T> = { bytes, members: [] };
    table.set(hash, [...groups, group]);
    return group;
  }

  #remove(table: Table<T>, group: Group<T>, member: T): void {
    const index = group.members.indexOf(member);
    if (index === -1) return;
    group.members.splice(index, 1);
    this.#members--;
    if (group.members.length > 0) return;
    if (table === this.#prefixes) this.#count(group.bytes.length, -1);
    const hash = this.#hash(group.bytes);
    const rest = (table.get(hash) ?? []).filter((one) => one !== group);
    if (rest.length === 0) table.delete(hash);
    else table.set(hash, rest);
  }

  #hash(bytes: Buffer): number {
    let hash = this.#seed;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
    return hash & HASH_MASK;
  }

  #count(length: number, by: 1 | -1): void {
    if (length >= this.#lengths.length) {
      const larger = new Uint32Array(2 * length);
      larger.set(this.#lengths);
      this.#lengths = larger;
    }
    this.#lengths[length] = (this.#lengths[length] as number) + by;
  }
}
