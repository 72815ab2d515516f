/**
 * The newest accepted state: the store, overlaid by writes still on their way
 * to disk. Conditions, previous values and capacity are judged against it, so
 * that an answer stays true however slow the disk is; readers never see it.
 *
 * The overlay contains only keys in flight. When a batch is refused (disk full),
 * everything in flight is dropped together, because later writes were judged
 * against it.
 */
import type { FillLeases } from '#master/fill-leases.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import { DELETED, NO_ROW, WritesInFlight } from '#master/writes-in-flight.ts';
import type { Entry } from '#model/entry.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { NOT_STORED, type Store } from '#storage/store.ts';

/** The accepted entry of a key, and the record in flight that this depends on. */
export interface AcceptedEntry {
  /** Undefined if the key is missing. */
  readonly entry: Entry | undefined;
  readonly record: RecordInFlight | undefined;
}

/** What `access` returns for a key that is missing. */
export const MISSING = NOT_STORED;

export class AcceptedState {
  /** Accepted writes end them. */
  readonly leases: FillLeases;
  readonly #store: Store;
  /** The key that is being looked up. */
  readonly #key: KeyBytes;
  readonly #inFlight = new WritesInFlight();
  #entries: number;
  #bytes: number;

  constructor(store: Store, leases: FillLeases) {
    this.#store = store;
    this.leases = leases;
    this.#key = store.createKey();
    this.#entries = store.entries;
    this.#bytes = store.bytes;
  }

  get entries(): number {
    return this.#entries;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Stored state, expired entries included. */
  lookup(key: string): AcceptedEntry {
    const row = this.#rowOf(key);
    if (row === NO_ROW) return { entry: this.#store.peek(key), record: undefined };
    const record = this.#inFlight.recordAt(row);
    const isDeleted = this.#inFlight.costAt(row) === DELETED;
    return { entry: isDeleted ? undefined : this.#entryAt(record, this.#inFlight.placeAt(row), key), record };
  }

  /** The deadline of the key's accepted entry, or `MISSING`. */
  deadlineOf(key: KeyBytes): number {
    const row = this.#inFlight.find(key);
    if (row === NO_ROW) return this.#store.deadlineOf(key);
    if (this.#inFlight.costAt(row) === DELETED) return MISSING;
    return this.#inFlight.recordAt(row).expireAtMsAt(this.#inFlight.placeAt(row));
  }

  /** The record in flight that has the key's newest state; undefined: the store has it. */
  recordOf(key: KeyBytes): RecordInFlight | undefined {
    const row = this.#inFlight.find(key);
    return row === NO_ROW ? undefined : this.#inFlight.recordAt(row);
  }

  /** Returns the key of the oldest entry in flight that is not spared; undefined if there is none. */
  oldestInFlight(isSpared: (key: string) => boolean): string | undefined {
    const row = this.#inFlight.oldest(isSpared);
    return row === NO_ROW ? undefined : this.#inFlight.keyAt(row);
  }

  /**
   * Counts as an access of the key if it is stored. Returns the bytes that its
   * accepted entry counts for, or `MISSING`.
   */
  access(key: KeyBytes): number {
    const stored = this.#store.accessKey(key);
    const row = this.#inFlight.find(key);
    return row === NO_ROW ? stored : this.#inFlight.costAt(row);
  }

  /** Notes the delete of the key at `place` of `record`. */
  acceptDelete(key: KeyBytes, record: RecordInFlight, place: number): void {
    const row = this.#inFlight.find(key);
    this.#forget(row === NO_ROW ? this.#store.costOf(key) : this.#inFlight.costAt(row));
    this.#inFlight.add(key, record, place, DELETED);
  }

  /** Takes a touch of the key, at `place` of `record`: its entry is what it was but for the deadline. */
  acceptTouch(key: KeyBytes, record: RecordInFlight, place: number): void {
    const row = this.#inFlight.find(key);
    const before = row === NO_ROW ? undefined : this.#inFlight.recordAt(row);
    record.noteTouch(place, before?.baseOf(this.#inFlight.placeAt(row)));
    this.#inFlight.add(
      key,
      record,
      place,
      row === NO_ROW ? this.#store.costOf(key) : this.#inFlight.costAt(row),
    );
  }

  /**
   * Notes the set of the key at `place` of `record`. `before`: what `access` returned
   * for it; `cost`: what the new entry counts for.
   */
  acceptSet(key: KeyBytes, record: RecordInFlight, place: number, before: number, cost: number): void {
    this.#forget(before);
    this.#entries++;
    this.#bytes += cost;
    this.#inFlight.add(key, record, place, cost);
  }

  /**
   * Called when the oldest record in flight is visible: its keys are read from the
   * store again, unless a later record has them.
   */
  settle(record: RecordInFlight): void {
    this.#inFlight.settle(record);
  }

  /** Called when every record in flight was refused. */
  drop(): void {
    this.#inFlight.clear();
    this.#entries = this.#store.entries;
    this.#bytes = this.#store.bytes;
  }

  /** The entry that the mutation at `place` makes; a touch makes one of what it touched. */
  #entryAt(record: RecordInFlight, place: number, key: string): Entry | undefined {
    if (!record.isTouchAt(place)) return record.entryAt(place);
    const base = record.baseOf(place);
    const entry = base === undefined ? this.#store.peek(key) : base.record.entryAt(base.place);
    return entry && { ...entry, expireAtMs: record.expireAtMsAt(place) };
  }

  #rowOf(key: string): number {
    if (this.#inFlight.isEmpty || !this.#key.load(key)) return NO_ROW;
    return this.#inFlight.find(this.#key);
  }

  #forget(before: number): void {
    if (before === MISSING) return;
    this.#entries--;
    this.#bytes -= before;
  }
}
