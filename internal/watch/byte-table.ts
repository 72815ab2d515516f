/**
 * Values by strings of bytes, in one flat table: a look-up reads a slot, the bytes and the value,
 * which with many values is a wait for memory each. It makes no garbage.
 */
import { isSame } from '#watch/target.ts';

/** Numbers of a slot: hash, length, where its bytes begin, and the place of its value plus 1; 0: the slot is free. */
const SLOT = 4;
const SLOTS_MIN = 64;

export class ByteTable<V> {
  #slots = new Int32Array(SLOT * SLOTS_MIN);
  #bytes = Buffer.alloc(0);
  #bytesEnd = 0;
  #values: V[] = [];

  get size(): number {
    return this.#values.length;
  }

  /** `hash`: always the same for the same bytes. */
  get(hash: number, bytes: Buffer, from: number, length: number): V | undefined {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let at = (SLOT * hash) & mask; slots[at + 3] !== 0; at = (at + SLOT) & mask) {
      if (slots[at] !== hash || slots[at + 1] !== length) continue;
      if (isSame(bytes, from, this.#bytes, slots[at + 2] as number, length))
        return this.#values[(slots[at + 3] as number) - 1];
    }
    return undefined;
  }

  /** The bytes are not in the table yet. */
  add(hash: number, bytes: Buffer, value: V): void {
    // Half of the slots stay free, so that a look-up ends soon.
    if (2 * SLOT * (this.size + 1) > this.#slots.length) this.#widen();
    if (this.#bytesEnd + bytes.length > this.#bytes.length)
      this.#bytes = Buffer.concat([this.#bytes], 2 * (this.#bytesEnd + bytes.length));
    bytes.copy(this.#bytes, this.#bytesEnd);
    this.#values.push(value);
    this.#occupy(hash, bytes.length, this.#bytesEnd, this.size);
    this.#bytesEnd += bytes.length;
  }

  /** The same table with those values only for which `isKept` is true. */
  filter(isKept: (value: V) => boolean): ByteTable<V> {
    const rest = new ByteTable<V>();
    const slots = this.#slots;
    for (let at = 0; at < slots.length; at += SLOT) {
      const [hash = 0, length = 0, from = 0, place = 0] = slots.subarray(at, at + SLOT);
      const value = this.#values[place - 1];
      if (value !== undefined && isKept(value))
        rest.add(hash, this.#bytes.subarray(from, from + length), value);
    }
    return rest;
  }

  #widen(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    for (let at = 0; at < old.length; at += SLOT) {
      const [hash = 0, length = 0, from = 0, place = 0] = old.subarray(at, at + SLOT);
      if (place !== 0) this.#occupy(hash, length, from, place);
    }
  }

  #occupy(hash: number, length: number, from: number, place: number): void {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let at = (SLOT * hash) & mask;
    while (slots[at + 3] !== 0) at = (at + SLOT) & mask;
    slots.set([hash, length, from, place], at);
  }
}
