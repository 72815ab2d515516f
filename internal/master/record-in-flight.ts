/** A record on its way to disk: its bytes until it is settled, and the callers that wait for that. */

import type { RecordOwner } from '#engine/pending-record.ts';
import { contentTypeOf, hasKeyAt, mutationAt } from '#engine/records/data-record.ts';
import type { PayloadSource } from '#engine/records/payload-writer.ts';
import type { Entry } from '#model/entry.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';

/** A mutation of a record in flight, by where it begins in its payload. */
export interface MutationPlace {
  readonly record: RecordInFlight;
  readonly place: number;
}

/** Waits for a record without a promise. */
export interface SettledListener {
  /** `error`: why the record was refused; undefined: it is visible. It may not throw. */
  onSettled(error: WalnutError | undefined): void;
}

/** Is told when a record is visible or refused, before the record itself is settled. */
export interface RecordKeeper {
  settle(record: RecordInFlight, error: WalnutError | undefined): void;
}

export class RecordInFlight implements RecordOwner {
  readonly position: Position;
  /** See `SettledRecords`; set before the record is settled. */
  listener: SettledListener | undefined = undefined;
  /** Entries that the store gave up for this record; they are given back if it is refused. */
  taken: Entry[] | undefined = undefined;
  readonly #keeper: RecordKeeper;
  #source: PayloadSource | undefined;
  #isBuilt = false;
  /**
   * Entries that were asked for while the record was built, by where they begin: the
   * writer's buffer is used again later.
   */
  #copies: Map<number, Entry> | undefined;
  /** The set in flight whose entry each touch changes, by the place of the touch; undefined: the stored entry. */
  #touches: Map<number, MutationPlace | undefined> | undefined;
  #isSettled = false;
  #error: WalnutError | undefined;
  #waiting: PromiseWithResolvers<void> | undefined;

  constructor(position: Position, source: PayloadSource, keeper: RecordKeeper) {
    this.position = position;
    this.#source = source;
    this.#keeper = keeper;
  }

  /** The engine has done with the record. */
  onDone(error: WalnutError | undefined): void {
    this.#keeper.settle(this, error);
  }

  /** Called when the record is built: from now on its bytes are those of its frame. */
  build(frame: PayloadSource): void {
    this.#source = frame;
    this.#isBuilt = true;
    this.#copies = undefined;
  }

  /** True if the record still has its bytes; it gives them up when it is settled. */
  get isOpen(): boolean {
    return this.#source !== undefined;
  }

  /**
   * Rejects if the record is refused. Created on demand, because a refusal that nobody
   * waits for is no unhandled rejection.
   */
  get settled(): Promise<void> {
    if (this.#waiting === undefined) {
      this.#waiting = Promise.withResolvers();
      if (this.#isSettled) this.settle(this.#error);
    }
    return this.#waiting.promise;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  get isRefused(): boolean {
    return this.#error !== undefined;
  }

  /** Why the record was refused. */
  get error(): WalnutError | undefined {
    return this.#error;
  }

  /** `error`: why the record was refused; undefined: it is visible. */
  settle(error?: WalnutError): void {
    this.#source = undefined;
    this.#copies = undefined;
    this.#touches = undefined;
    this.#isSettled = true;
    this.#error = error;
    if (error === undefined) this.#waiting?.resolve();
    else this.#waiting?.reject(error);
  }

  /** The mutation at `place` is a touch of what `base` makes; undefined: of the stored entry. */
  noteTouch(place: number, base: MutationPlace | undefined): void {
    this.#touches ??= new Map();
    this.#touches.set(place, base);
  }

  isTouchAt(place: number): boolean {
    return this.#touches?.has(place) === true;
  }

  /** The set that made the entry of the mutation at `place`, as long as it is in flight; undefined: it is stored. */
  baseOf(place: number): MutationPlace | undefined {
    if (!this.isTouchAt(place)) return this.isOpen ? { record: this, place } : undefined;
    const base = this.#touches?.get(place);
    return base?.record.isOpen === true ? base : undefined;
  }

  /** True if the mutation at `place` has the key. */
  hasKeyAt(place: number, key: KeyBytes): boolean {
    const { buffer, payloadOffset } = this.#open();
    return hasKeyAt(buffer, payloadOffset + place, key);
  }

  keyAt(place: number): string {
    const { buffer, payloadOffset } = this.#open();
    const { bytes, keyOffset, keyBytes } = mutationAt(buffer, payloadOffset + place);
    return bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
  }

  /** The deadline of the set at `place`. */
  expireAtMsAt(place: number): number {
    const { buffer, payloadOffset } = this.#open();
    return mutationAt(buffer, payloadOffset + place).expireAtMs;
  }

  /**
   * The entry that the set at `place` makes. Every call returns the same bytes, so
   * that a large value is copied once.
   */
  entryAt(place: number): Entry {
    const known = this.#copies?.get(place);
    if (known !== undefined) return known;
    const { buffer, payloadOffset } = this.#open();
    const mutation = mutationAt(buffer, payloadOffset + place);
    const { bytes, valueOffset, valueBytes, expireAtMs } = mutation;
    const view = bytes.subarray(valueOffset, valueOffset + valueBytes);
    const value = this.#isBuilt ? view : Uint8Array.from(view);
    const plain = { key: this.keyAt(place), value, expireAtMs, version: this.position };
    const contentType = contentTypeOf(mutation);
    const entry = contentType === undefined ? plain : { ...plain, contentType };
    if (!this.#isBuilt) {
      this.#copies ??= new Map();
      this.#copies.set(place, entry);
    }
    return entry;
  }

  #open(): PayloadSource {
    assert(this.#source !== undefined, 'a record in flight has its bytes');
    return this.#source;
  }
}
