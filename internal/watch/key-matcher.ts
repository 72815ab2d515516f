/**
 * Which watchers a key is of interest to. One running hash over the key's bytes is looked
 * up at the length of each watched prefix and, for watched keys, at its end, so that a
 * lookup costs as much with a thousand prefixes as with one, and makes neither text nor
 * garbage.
 */
import type { WatchTarget } from '#model/watch.ts';
import { ByteTable } from '#watch/byte-table.ts';
import { bytesOfTarget } from '#watch/target.ts';

/** The members of each prefix or key; none are left of some. */
interface Table<T> {
  all: ByteTable<T[]>;
  /** How many have members. */
  used: number;
}

const FNV_PRIME = 0x0100_0193;

export class KeyMatcher<T> {
  readonly #seed: number;
  readonly #prefixes: Table<T> = { all: new ByteTable(), used: 0 };
  readonly #keys: Table<T> = { all: new ByteTable(), used: 0 };
  /** By length in bytes, how many different prefixes are watched. */
  #lengths = new Uint32Array(64);
  /** The length of the longest of them. */
  #longest = 0;
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
    const bytes = bytesOfTarget(target);
    const members = membersOf(table, this.#hash(bytes), bytes);
    if (members.push(member) === 1) {
      table.used++;
      if (isPrefix) this.#count(bytes.length, 1);
    }
    this.#members++;
    return () => {
      const index = members.indexOf(member);
      if (index === -1) return;
      members.splice(index, 1);
      this.#members--;
      if (members.length > 0) return;
      table.used--;
      if (isPrefix) this.#count(bytes.length, -1);
      if (table.all.size > 2 * table.used) table.all = table.all.filter(({ length }) => length > 0);
    };
  }

  /** Puts every member that the key, `length` bytes of UTF-8 at `from`, is of interest to into `found`, and returns how many. */
  match(bytes: Buffer, from: number, length: number, found: (T | undefined)[]): number {
    const lengths = this.#lengths;
    const hasKeys = this.#keys.used > 0;
    const end = hasKeys ? length : Math.min(length, this.#longest);
    let hash = this.#seed;
    let count = 0;
    for (let i = 0; i < end; i++) {
      if (i < lengths.length && (lengths[i] as number) > 0)
        count = find(this.#prefixes.all, hash, bytes, from, i, found, count);
      hash = Math.imul(hash ^ (bytes[from + i] as number), FNV_PRIME);
    }
    if (end < lengths.length && (lengths[end] as number) > 0)
      count = find(this.#prefixes.all, hash, bytes, from, end, found, count);
    if (hasKeys) count = find(this.#keys.all, hash, bytes, from, length, found, count);
    return count;
  }

  #hash(bytes: Buffer): number {
    let hash = this.#seed;
    for (const byte of bytes) hash = Math.imul(hash ^ byte, FNV_PRIME);
    return hash;
  }

  #count(length: number, by: 1 | -1): void {
    if (length >= this.#lengths.length) {
      const larger = new Uint32Array(2 * length);
      larger.set(this.#lengths);
      this.#lengths = larger;
    }
    this.#lengths[length] = (this.#lengths[length] as number) + by;
    this.#longest = Math.max(this.#longest, length);
    while (this.#longest > 0 && this.#lengths[this.#longest] === 0) this.#longest--;
  }
}

function membersOf<T>({ all }: Table<T>, hash: number, bytes: Buffer): T[] {
  const known = all.get(hash, bytes, 0, bytes.length);
  if (known !== undefined) return known;
  const members: T[] = [];
  all.add(hash, bytes, members);
  return members;
}

/** Adds those whose bytes are the first `length` of the key to the `count` that were found before. */
function find<T>(
  all: ByteTable<T[]>,
  hash: number,
  bytes: Buffer,
  from: number,
  length: number,
  found: (T | undefined)[],
  count: number,
): number {
  const members = all.get(hash, bytes, from, length);
  if (members === undefined) return count;
  for (let i = 0; i < members.length; i++) found[count + i] = members[i];
  return count + members.length;
}
