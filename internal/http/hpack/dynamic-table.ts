/**
 * The dynamic table of RFC 7541, section 2.3.2: fields in order of insertion,
 * newest first, within a size in octets. The ring that contains them grows with
 * what is in it, so an unused table costs nothing.
 */
import type { Field } from './field.ts';

/** Shared by all empty tables, and never written to. */
const NO_FIELDS: Field[] = [];

export class DynamicTable {
  #ring = NO_FIELDS;
  /** Where the newest field is in the ring. */
  #newest = 0;
  #length = 0;
  #size = 0;
  #sizeMax: number;
  #insertions = 0;
  readonly #onEvicted: ((field: Field, insertion: number) => void) | undefined;

  /** `onEvicted` learns each field that leaves, with the number of its insertion, from 1. */
  constructor(sizeMax: number, onEvicted?: (field: Field, insertion: number) => void) {
    this.#sizeMax = sizeMax;
    this.#onEvicted = onEvicted;
  }

  get length(): number {
    return this.#length;
  }

  /** In octets, as RFC 7541 counts them. */
  get size(): number {
    return this.#size;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  /** How many fields were ever inserted. */
  get insertions(): number {
    return this.#insertions;
  }

  /** The field at `age`: 0 is the newest. Undefined where there is none. */
  at(age: number): Field | undefined {
    if (age >= this.#length) return undefined;
    return this.#ring[(this.#newest + age) & (this.#ring.length - 1)];
  }

  /** Makes room, then inserts; a field larger than the table empties it and is not kept. */
  insert(field: Field): void {
    this.#evictTo(this.#sizeMax - field.size);
    if (field.size > this.#sizeMax) return;
    if (this.#length === this.#ring.length) this.#grow();
    this.#newest = (this.#newest - 1) & (this.#ring.length - 1);
    this.#ring[this.#newest] = field;
    this.#length++;
    this.#insertions++;
    this.#size += field.size;
  }

  resize(sizeMax: number): void {
    this.#sizeMax = sizeMax;
    this.#evictTo(sizeMax);
    if (this.#length === 0) this.#ring = NO_FIELDS;
  }

  #evictTo(size: number): void {
    while (this.#length > 0 && this.#size > size) {
      const age = --this.#length;
      const field = this.#ring[(this.#newest + age) & (this.#ring.length - 1)] as Field;
      this.#size -= field.size;
      this.#onEvicted?.(field, this.#insertions - age);
    }
  }

  /** Keeps the ring's length a power of two, so that places wrap by a mask. */
  #grow(): void {
    const ring = new Array<Field>(Math.max(8, this.#length * 2));
    for (let age = 0; age < this.#length; age++) ring[age] = this.at(age) as Field;
    this.#ring = ring;
    this.#newest = 0;
  }
}
