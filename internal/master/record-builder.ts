/**
 * Collects the mutations of one record while operations are accepted one after
 * another: a single write, or a whole Batch. `room.ts` makes room for them.
 */

import type { PayloadWriter } from '#engine/records/payload-writer.ts';
import type { Accepted } from '#master/accepted.ts';
import { type AcceptedState, MISSING } from '#master/accepted-state.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import { isOver, Room, VICTIMS_MAX } from '#master/room.ts';
import type { Looked, WriteTarget } from '#master/write-target.ts';
import type { EncodedPair } from '#model/encoded.ts';
import { type Cause, isExpired } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { BATCH_OPERATIONS_MAX, KEY_BYTES_MAX, quoteKey, REQUEST_ID_CHARACTERS_MAX } from '#model/limits.ts';
import type { NamedWrite } from '#model/write-id.ts';
import { assert } from '#platform/assert.ts';
import { entryCost } from '#storage/entry-cost.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import type { Store } from '#storage/store.ts';
import { PAYLOAD_BYTES_MAX } from '#wal/frame.ts';

/** The cause that is logged for a caller's set or delete. */
export type WriteCause = 'client' | 'restored';

/** Most bytes that a mutation takes in a record besides key and value. */
const MUTATION_OVERHEAD_BYTES = 16;
/** What a content type takes in a record beyond its characters. */
const TYPE_OVERHEAD_BYTES = 5;
/** Most bytes that the name of a write and its result take in a record. */
const NAME_BYTES_MAX = 64 + 3 * REQUEST_ID_CHARACTERS_MAX;
/** Most bytes of sets in one record: whatever else a Batch may need still fits. */
const SETS_BYTES_MAX =
  PAYLOAD_BYTES_MAX -
  (VICTIMS_MAX + BATCH_OPERATIONS_MAX) * (KEY_BYTES_MAX + MUTATION_OVERHEAD_BYTES) -
  BATCH_OPERATIONS_MAX * NAME_BYTES_MAX;

/** One for all records of a master, which are built one after another: `begin` starts the next one. */
export class RecordBuilder implements WriteTarget {
  /** The key of the set that room is made for. */
  readonly #setKey: KeyBytes;
  /** The key of a delete: the caller's, or one that makes room. */
  readonly #deleteKey: KeyBytes;
  readonly #store: Store;
  readonly #accepted: AcceptedState;
  readonly #payload: PayloadWriter;
  #cause: WriteCause = 'client';
  #record: RecordInFlight | undefined;
  #nowMs = 0;
  #written: Accepted | undefined;
  /** Created when a limit would be exceeded. */
  #room: Room | undefined;
  #setsBytes = 0;

  /** `payload`: becomes the source of each record. */
  constructor(store: Store, accepted: AcceptedState, payload: PayloadWriter) {
    this.#store = store;
    this.#accepted = accepted;
    this.#payload = payload;
    this.#setKey = store.createKey();
    this.#deleteKey = store.createKey();
  }

  /** The payload must be empty. `nowMs`: by the log clock. */
  begin(record: RecordInFlight, nowMs: number, cause: WriteCause): void {
    this.#record = record;
    this.#nowMs = nowMs;
    this.#cause = cause;
    this.#written = undefined;
    this.#room = undefined;
    this.#setsBytes = 0;
  }

  /** The record that is being built. Its position is known before it is submitted, because accepting is synchronous. */
  get record(): RecordInFlight {
    assert(this.#record !== undefined, 'a record has begun');
    return this.#record;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** The answer of every operation in this record that answers nothing of its own. */
  get written(): Accepted {
    this.#written ??= { applied: true, previous: undefined, current: undefined, dependsOn: this.record };
    return this.#written;
  }

  look(key: string): Looked {
    const { entry, record } = this.#accepted.lookup(key);
    const isLive = entry !== undefined && !isExpired(entry.expireAtMs, this.nowMs);
    return { live: isLive ? entry : undefined, stored: entry !== undefined, record };
  }

  /**
   * Adds a set, and before it the deletes of its victims. Throws `resource_exhausted`
   * if there is no room: then the set is not in the record, but deletes of expired
   * entries may be, and the record must be submitted all the same.
   */
  set(key: string, value: Uint8Array, expireAtMs: number, contentType = ''): void {
    load(this.#setKey, key);
    if (contentType === '') this.#setLoaded(value, 0, value.length, expireAtMs);
    else {
      checkSetsBytes(this.#setsBytes + setBytes(typedBytes(value, contentType)));
      const cost = entryCost(this.#setKey.length, value.length + contentType.length);
      this.#putTyped(value, expireAtMs, contentType, this.#makeRoomForSet(cost), cost);
    }
  }

  /** Like `set`, from encoded bytes. */
  setEncoded({ bytes, keyOffset, keyBytes, valueOffset, valueBytes, expireAtMs }: EncodedPair): void {
    this.#setKey.loadBytes(bytes, keyOffset, keyBytes);
    this.#setLoaded(bytes, valueOffset, valueBytes, expireAtMs);
  }

  /** Like `setInRoom`, from encoded bytes. */
  setEncodedInRoom(pair: EncodedPair): void {
    const { bytes, keyBytes, valueOffset, valueBytes, expireAtMs } = pair;
    const before = this.accessEncoded(pair);
    this.#put(bytes, valueOffset, valueBytes, expireAtMs, before, entryCost(keyBytes, valueBytes));
  }

  /** Adds a set whose room was made before. */
  setInRoom(key: string, value: Uint8Array, expireAtMs: number, contentType = ''): void {
    const loaded = this.#setKey;
    load(loaded, key);
    const before = this.#accepted.access(loaded);
    const cost = entryCost(loaded.length, value.length + contentType.length);
    if (contentType === '') this.#put(value, 0, value.length, expireAtMs, before, cost);
    else this.#putTyped(value, expireAtMs, contentType, before, cost);
  }

  /**
   * Makes room for writes that are made together. `changes`: what the entry of each
   * key will count for, or `MISSING`. Throws `resource_exhausted`, before anything but
   * expired entries is removed, if they cannot all be made.
   */
  makeRoomFor(changes: ReadonlyMap<string, number>): void {
    const { limits } = this.#store;
    const own = { entries: 0, bytes: 0 };
    const more = { entries: 0, bytes: 0 };
    for (const [key, cost] of changes) {
      load(this.#setKey, key);
      const before = this.#accepted.access(this.#setKey);
      if (cost !== MISSING) {
        own.entries++;
        own.bytes += cost;
      }
      more.entries += (cost === MISSING ? 0 : 1) - (before === MISSING ? 0 : 1);
      more.bytes += (cost === MISSING ? 0 : cost) - (before === MISSING ? 0 : before);
    }
    for (const [name, max, size] of [
      ['storage.max_entries', limits.entriesMax, own.entries],
      ['storage.max_memory', limits.bytesMax, own.bytes],
    ] as const) {
      if (max === 0 || size <= max) continue;
      const message = `the entries of the batch take ${size} of ${name} ${max}: make the batch smaller`;
      throw new WalnutError('resource_exhausted', message, { limit: { name, max, size } });
    }
    if (!isOver(limits, this.#accepted, more.entries, more.bytes)) return;
    if (more.entries <= 0 && more.bytes <= 0) return;
    this.#makeRoom(more.entries, more.bytes, (key) => changes.has(key));
  }

  /** Sets the key that `#setKey` contains. */
  #setLoaded(source: Uint8Array, valueOffset: number, valueBytes: number, expireAtMs: number): void {
    checkSetsBytes(this.#setsBytes + setBytes(valueBytes));
    const cost = entryCost(this.#setKey.length, valueBytes);
    const before = this.#makeRoomForSet(cost);
    this.#put(source, valueOffset, valueBytes, expireAtMs, before, cost);
  }

  /** Puts the set of the key in `#setKey` into the record. `before`: what `access` returned for it. */
  #put(
    source: Uint8Array,
    valueOffset: number,
    valueBytes: number,
    expireAtMs: number,
    before: number,
    cost: number,
  ): void {
    const key = this.#setKey;
    this.#setsBytes += setBytes(valueBytes);
    const place = this.#payload.set(key, source, valueOffset, valueBytes, expireAtMs, this.#cause);
    this.#accepted.acceptSet(key, this.record, place, before, cost);
    this.#accepted.leases.endOf(key);
  }

  #putTyped(value: Uint8Array, expireAtMs: number, contentType: string, before: number, cost: number): void {
    const key = this.#setKey;
    this.#setsBytes += setBytes(typedBytes(value, contentType));
    const place = this.#payload.setTyped(key, value, expireAtMs, this.#cause, contentType);
    this.#accepted.acceptSet(key, this.record, place, before, cost);
    this.#accepted.leases.endOf(key);
  }

  /** Adds a delete; its cause is the caller's if none is given. */
  delete(key: string, cause: WriteCause | 'expired' = this.#cause): void {
    this.#delete(key, cause);
  }

  /** Adds a delete of a key given as bytes, and returns true, if it has a live entry. */
  deleteEncoded({ bytes, keyOffset, keyBytes }: EncodedPair): boolean {
    const key = this.#deleteKey;
    key.loadBytes(bytes, keyOffset, keyBytes);
    this.#accepted.leases.endOf(key);
    const deadline = this.#accepted.deadlineOf(key);
    if (deadline === MISSING || isExpired(deadline, this.nowMs)) return false;
    this.#accepted.acceptDelete(key, this.record, this.#payload.delete(key, this.#cause));
    return true;
  }

  /** The record in flight that has the newest state of a key given as bytes. */
  recordOfEncoded({ bytes, keyOffset, keyBytes }: EncodedPair): RecordInFlight | undefined {
    this.#deleteKey.loadBytes(bytes, keyOffset, keyBytes);
    return this.#accepted.recordOf(this.#deleteKey);
  }

  /** Like `AcceptedState.access`, for a key given as bytes. */
  accessEncoded({ bytes, keyOffset, keyBytes }: EncodedPair): number {
    this.#setKey.loadBytes(bytes, keyOffset, keyBytes);
    return this.#accepted.access(this.#setKey);
  }

  /** True if so much more is within the limits. */
  hasRoomFor(moreEntries: number, moreBytes: number): boolean {
    return !isOver(this.#store.limits, this.#accepted, moreEntries, moreBytes);
  }

  /** Adds what a named write came to. */
  name(write: NamedWrite): void {
    this.#payload.name(write);
  }

  touch(key: string, expireAtMs: number): void {
    const loaded = this.#setKey;
    load(loaded, key);
    this.#accepted.access(loaded);
    const place = this.#payload.touch(loaded, expireAtMs, this.#cause);
    this.#accepted.acceptTouch(loaded, this.record, place);
  }

  isLeased(key: string, token: string): boolean {
    return this.#accepted.leases.isValid(key, token);
  }

  endLease(key: string): void {
    this.#accepted.leases.endKey(key);
  }

  /** See `Room.trim`. */
  trim(): boolean {
    return this.#roomMaker.trim();
  }

  #delete(key: string, cause: Cause): void {
    const loaded = this.#deleteKey;
    load(loaded, key);
    this.#accepted.acceptDelete(loaded, this.record, this.#payload.delete(loaded, cause));
    if (cause === this.#cause) this.#accepted.leases.endOf(loaded);
  }

  /** Returns what the accepted entry of the key in `#setKey` counts for, or `MISSING`. */
  #makeRoomForSet(cost: number): number {
    const { limits } = this.#store;
    const key = this.#setKey;
    if (limits.bytesMax > 0 && cost > limits.bytesMax) {
      throw new WalnutError(
        'resource_exhausted',
        `entry ${quoteKey(key.text())} takes ${cost} bytes: storage.max_memory is ${limits.bytesMax}`,
        { limit: { name: 'storage.max_memory', max: limits.bytesMax, size: cost } },
      );
    }
    // Accessed before victims are chosen, so that it is the last to be chosen.
    const before = this.#accepted.access(key);
    const moreEntries = before === MISSING ? 1 : 0;
    const moreBytes = before === MISSING ? cost : cost - before;
    // An overwrite with no larger entry does not exceed a limit further.
    if (!isOver(limits, this.#accepted, moreEntries, moreBytes) || (moreEntries === 0 && moreBytes <= 0))
      return before;
    const text = key.text();
    this.#makeRoom(moreEntries, moreBytes, (one) => one === text);
    return before;
  }

  #makeRoom(moreEntries: number, moreBytes: number, isSpared: (key: string) => boolean): void {
    this.#roomMaker.make(moreEntries, moreBytes, isSpared);
  }

  get #roomMaker(): Room {
    if (this.#room !== undefined) return this.#room;
    const { record } = this;
    record.taken ??= [];
    this.#room = new Room({
      store: this.#store,
      accepted: this.#accepted,
      nowMs: this.nowMs,
      taken: record.taken,
      remove: (key, cause) => this.#delete(key, cause),
    });
    return this.#room;
  }
}

/** What value and content type take of a record. */
export function typedBytes(value: Uint8Array, contentType = ''): number {
  return value.length + TYPE_OVERHEAD_BYTES + contentType.length;
}

/** Upper bound of the bytes that a set takes in its record. */
function setBytes(valueBytes: number): number {
  return KEY_BYTES_MAX + valueBytes + MUTATION_OVERHEAD_BYTES;
}

function checkSetsBytes(bytes: number): void {
  if (bytes <= SETS_BYTES_MAX) return;
  throw new WalnutError(
    'resource_exhausted',
    `writes that are made together take at most ${SETS_BYTES_MAX} bytes: make the batch smaller`,
  );
}

function load(into: KeyBytes, key: string): void {
  assert(into.load(key), 'a key is well-formed');
}
