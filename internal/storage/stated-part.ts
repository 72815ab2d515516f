/**
 * What a log states of its group as a whole, such as who its members are: one value, in
 * force until the next one is stated, and its part of the digest.
 */
import { DigestSum, EntryHasher } from '#storage/entry-hash.ts';

export class StatedPart<T> {
  readonly #hashedAs: number;
  readonly #encode: (stated: T) => Uint8Array;
  #current: T | undefined;
  #digest = new DigestSum();

  /**
   * `hashedAs`: the first byte of what is hashed, so that neither another part nor a row of the
   * request table has the same bytes. `encode`: equal values have equal bytes.
   */
  constructor(hashedAs: number, encode: (stated: T) => Uint8Array) {
    this.#hashedAs = hashedAs;
    this.#encode = encode;
  }

  /** Undefined: the log states none, as that of a plain group. */
  get current(): T | undefined {
    return this.#current;
  }

  set current(stated: T | undefined) {
    this.#current = stated;
    this.#digest = new DigestSum();
    if (stated === undefined) return;
    const hasher = new EntryHasher();
    hasher.hashBytes(Buffer.concat([Buffer.of(this.#hashedAs), this.#encode(stated)]));
    this.#digest.add(hasher);
  }

  /** Adds the digest to that at `target[at..at + 3]`. */
  addDigestTo(target: Uint32Array, at: number): void {
    if (this.#current !== undefined) this.#digest.addTo(target, at);
  }
}
