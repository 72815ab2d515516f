/**
 * Every stored entry has a slot: a small whole number that it keeps until it is
 * deleted. A slot is ten 32-bit words in a chunk of 16,384 slots. So growing
 * allocates one more chunk and copies nothing, all fields of an entry are within
 * two cache lines, and the garbage collector sees no object per entry. Key and
 * value are in one cell of the arena. A value over 16 KiB has a buffer of its own,
 * which is never written again, so reads return it without a copy.
 *
 * A deadline and its place in the expiry index take 12 bytes more, in arrays that a
 * chunk gets with its first deadline. Word 0 of a free slot links the chunk's free slots.
 */
import type { EncodedPair } from '#model/encoded.ts';
import { type Entry, NEVER } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { assert } from '#platform/assert.ts';
import { crc32 } from '#platform/crc32.ts';
import { Arena, type ArenaChunk, roundUp } from '#storage/arena.ts';
import { Compactor } from '#storage/compactor.ts';
import { EpochIds } from '#storage/epoch-ids.ts';
import { type KeyBytes, STORED_KEY_BYTES_MAX } from '#storage/key-bytes.ts';
import { OwnValues } from '#storage/own-values.ts';
import { firstWordOf, indexOf, SlotChunks } from '#storage/slot-chunks.ts';
import { SlotPeeks } from '#storage/slot-peeks.ts';
import {
  cellBytesAt,
  cellWordAt,
  chunkIdAt,
  epochIdAt,
  hasDeadlineAt,
  hasOwnAt,
  keyBytesAt,
  lsnAt,
  setCellAt,
  setHasDeadlineAt,
  setKeyAt,
  setStampAt,
  setStateAt,
  setValueBytesAt,
  stampAt,
  stateAt,
  valueByteAt,
  valueBytesAt,
  wordsFor,
} from '#storage/slot-words.ts';
import { EMPTY_VALUE, ValuePool, WORDWISE_BYTES_MAX } from '#storage/value-pool.ts';

/** Means "no slot", as a link and as a result. */
export const NO_SLOT = -1;

/** States of a slot. A taken slot contains a chosen victim: stored, but out of the recency order. */
export const SLOT_FREE = 0;
export const SLOT_LIVE = 1;
export const SLOT_TAKEN = 2;
/** Stored, and in no order of victims. */
export const SLOT_UNLISTED = 3;

/** A longer value has a buffer of its own. */
export const ARENA_VALUE_BYTES_MAX = 16_384;

export class SlotTable {
  readonly #slots = new SlotChunks();
  readonly #arena: Arena;
  readonly #epochs = new EpochIds();
  readonly #pool = new ValuePool();
  /** Values with buffers of their own. The cell contains the number here, behind the key. */
  readonly #own = new OwnValues();
  readonly #compactor: Compactor;
  /** Reads ahead. */
  readonly peeks: SlotPeeks;
  /** Bytes of the arena that the current operation has freed. */
  #freedBytes = 0;

  /** `sharesValues`: values are given out where they lie, and nothing is written over. */
  constructor(sharesValues = false) {
    this.#arena = new Arena(sharesValues);
    this.#compactor = new Compactor(this.#arena, this);
    this.peeks = new SlotPeeks(this.#slots, this.#arena);
  }

  /** One past the highest slot that may be in use. */
  get end(): number {
    return this.#slots.end;
  }

  get arena(): Arena {
    return this.#arena;
  }

  /** Bytes of slots and arena; long values with buffers of their own are not counted. */
  get heldBytes(): number {
    return this.#slots.heldBytes + this.#arena.heldBytes;
  }

  /** Allocates a slot without a key or value; the caller must write it next. */
  allocate(): number {
    const slot = this.#slots.allocate();
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    // The other words are written before they are read.
    words[at + 1] = 0;
    words[at + 2] = 0;
    setStateAt(words, at, SLOT_LIVE);
    return slot;
  }

  /** Stores the key and the pair's value, copied unless it is final; a slot in use must already have this key. */
  write(slot: number, key: KeyBytes, pair: EncodedPair, epoch: number, lsn: number): void {
    const { expireAtMs } = pair;
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const isNew = words[at + 2] === 0;
    // Retained before the old one is released: the number of the only entry's epoch stays in use.
    const epochId = this.#epochs.retain(epoch);
    if (isNew) assert(key.length > 0 && key.length <= STORED_KEY_BYTES_MAX, 'a key has 1 to 65,535 bytes');
    else this.#epochs.release(epochIdAt(words, at));
    this.#fill(slot, words, at, key, pair);
    words[at + 3] = crc32(pair.bytes, 0, pair.valueOffset, pair.valueOffset + pair.valueBytes);
    setKeyAt(words, at, key.length, epochId, lsn);
    this.#putDeadline(slot, words, at, expireAtMs);
    this.#compact();
  }

  /** Changes the deadline of a slot in use. */
  setExpireAtMs(slot: number, expireAtMs: number): void {
    this.#putDeadline(slot, this.#slots.wordsOf(slot), firstWordOf(slot), expireAtMs);
  }

  #putDeadline(slot: number, words: Int32Array, at: number, expireAtMs: number): void {
    setHasDeadlineAt(words, at, expireAtMs !== NEVER);
    if (expireAtMs !== NEVER) this.#slots.makeDeadlinesOf(slot).atMs[indexOf(slot)] = expireAtMs;
  }

  free(slot: number): void {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    assert(stateAt(words, at) !== SLOT_FREE, 'no slot is freed twice');
    if (words[at + 2] !== 0) {
      this.#dropOwn(words, at);
      this.#free(words, at, this.#cellBytesOf(slot, words, at));
      this.#epochs.release(epochIdAt(words, at));
    }
    setStateAt(words, at, SLOT_FREE);
    this.#slots.free(slot);
    this.#compact();
  }

  /** For the compactor: moves the slot's cell to the end of the arena if its chunk is marked. */
  relocate(slot: number): void {
    const words = this.#slots.tryWordsOf(slot);
    if (words === undefined) return;
    const at = firstWordOf(slot);
    if (stateAt(words, at) === SLOT_FREE || words[at + 2] === 0) return;
    const id = chunkIdAt(words, at);
    const from = this.#arena.chunk(id);
    if (!from.isMarked) return;
    const first = cellWordAt(words, at);
    const bytes = this.#cellBytesOf(slot, words, at);
    this.#placeCell(words, at, bytes);
    const { words: target } = this.#chunkAt(words, at);
    const start = cellWordAt(words, at);
    for (let i = 0; i < bytes >>> 2; i++) target[start + i] = from.words[first + i] as number;
    this.#arena.free(id, bytes);
  }

  /** The entry. Its value is a copy, or bytes that are never written again. A caller that has the key passes it. */
  entry(slot: number, key?: string): Entry {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const entry = {
      key: key ?? this.keyOf(slot),
      value: this.#valueAt(words, at),
      expireAtMs: this.expireAtMsOf(slot),
      version: { epoch: this.#epochs.epochOf(epochIdAt(words, at)), lsn: lsnAt(words, at) as Lsn },
    };
    return this.#typed(slot, entry);
  }

  /** The entry with an empty value, and how long its value is. */
  entryWithoutValue(slot: number): Entry {
    return this.#typed(slot, {
      key: this.keyOf(slot),
      value: EMPTY_VALUE,
      expireAtMs: this.expireAtMsOf(slot),
      version: { epoch: this.epochOf(slot), lsn: this.lsnOf(slot) as Lsn },
      valueBytes: this.valueBytesOf(slot),
    });
  }

  #typed(slot: number, entry: Entry): Entry {
    return this.#slots.typeBytesOf(slot) === 0 ? entry : { ...entry, contentType: this.contentTypeOf(slot) };
  }

  keyOf(slot: number): string {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const chunk = this.#chunkAt(words, at);
    const first = cellWordAt(words, at);
    const length = keyBytesAt(words, at);
    let seen = 0;
    for (let i = first; i < first + wordsFor(length); i++) seen |= chunk.words[i] as number;
    // Padding zeros count as ASCII, so checking whole words is correct.
    return chunk.bytes.toString((seen & 0x80808080) === 0 ? 'latin1' : 'utf8', 4 * first, 4 * first + length);
  }

  /** True if the slot's key equals `key`. */
  matches(slot: number, key: KeyBytes): boolean {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    if (keyBytesAt(words, at) !== key.length) return false;
    const cells = this.#chunkAt(words, at).words;
    const first = cellWordAt(words, at);
    const count = wordsFor(key.length);
    for (let i = 0; i < count; i++) if (cells[first + i] !== key.words[i]) return false;
    return true;
  }

  /** True if the slot's key begins with these bytes of UTF-8. */
  hasPrefix(slot: number, prefix: Uint8Array): boolean {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    if (keyBytesAt(words, at) < prefix.length) return false;
    const { bytes } = this.#chunkAt(words, at);
    const first = 4 * cellWordAt(words, at);
    for (let i = 0; i < prefix.length; i++) if (bytes[first + i] !== prefix[i]) return false;
    return true;
  }

  /** Loads the slot's key into `key`. */
  loadKey(slot: number, key: KeyBytes): void {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    key.loadBytes(this.#chunkAt(words, at).bytes, 4 * cellWordAt(words, at), keyBytesAt(words, at));
  }

  /** The value if it has a buffer of its own, which is never written again; otherwise undefined. */
  tryOwnValueOf(slot: number): Uint8Array | undefined {
    return this.#ownAt(this.#slots.wordsOf(slot), firstWordOf(slot));
  }

  /** Copies the key to `targetAt` and the value `gapBytes` behind it, except a value with a buffer of its own. */
  copyTo(slot: number, target: Uint8Array, targetAt: number, gapBytes = 0): void {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const { bytes } = this.#chunkAt(words, at);
    const first = 4 * cellWordAt(words, at);
    const keyBytes = keyBytesAt(words, at);
    bytes.copy(target, targetAt, first, first + keyBytes);
    if (hasOwnAt(words, at)) return;
    const from = valueByteAt(words, at);
    bytes.copy(target, targetAt + keyBytes + gapBytes, from, from + valueBytesAt(words, at));
  }

  /** Copies the value. A small one is copied by whole words, so up to 3 bytes behind it in `target` may change. */
  copyValueTo(slot: number, target: DataView<ArrayBuffer>, targetAt: number): void {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const own = this.#ownAt(words, at);
    const length = own?.length ?? valueBytesAt(words, at);
    if (own !== undefined || length > WORDWISE_BYTES_MAX || targetAt + length + 3 > target.byteLength) {
      new Uint8Array(target.buffer, targetAt, length).set(this.viewOf(slot));
      return;
    }
    const cells = this.#chunkAt(words, at).words;
    const first = valueByteAt(words, at) >>> 2;
    const count = wordsFor(length);
    for (let i = 0; i < count; i++) target.setInt32(targetAt + 4 * i, cells[first + i] as number, true);
  }

  valueOf(slot: number): Uint8Array {
    return this.#valueAt(this.#slots.wordsOf(slot), firstWordOf(slot));
  }

  /** The value where it lies: what is stored there changes when the slot or the arena does. */
  viewOf(slot: number): Uint8Array {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const first = valueByteAt(words, at);
    const end = first + valueBytesAt(words, at);
    return this.#ownAt(words, at) ?? this.#chunkAt(words, at).bytes.subarray(first, end);
  }

  /** The CRC of the value's bytes as they are now; `valueCrcOf` is the CRC when the value was stored. */
  presentCrcOf(slot: number): number {
    return crc32(this.viewOf(slot));
  }

  keyBytesOf(slot: number): number {
    return keyBytesAt(this.#slots.wordsOf(slot), firstWordOf(slot));
  }

  valueBytesOf(slot: number): number {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    return this.#ownAt(words, at)?.length ?? valueBytesAt(words, at);
  }

  stateOf(slot: number): number {
    const words = this.#slots.tryWordsOf(slot);
    return words === undefined ? SLOT_FREE : stateAt(words, firstWordOf(slot));
  }

  /** True if no slot of this slot's chunk is in use, so that a walk may skip the chunk. */
  isChunkEmpty(slot: number): boolean {
    return this.#slots.isChunkEmpty(slot);
  }

  setState(slot: number, state: number): void {
    setStateAt(this.#slots.wordsOf(slot), firstWordOf(slot), state);
  }

  valueCrcOf(slot: number): number {
    return this.#slots.wordsOf(slot)[firstWordOf(slot) + 3] as number;
  }

  epochOf(slot: number): number {
    return this.#epochs.epochOf(epochIdAt(this.#slots.wordsOf(slot), firstWordOf(slot)));
  }

  lsnOf(slot: number): number {
    return lsnAt(this.#slots.wordsOf(slot), firstWordOf(slot));
  }

  /** The stamp of the last touch: a higher one is more recent. */
  stampOf(slot: number): number {
    return stampAt(this.#slots.wordsOf(slot), firstWordOf(slot));
  }

  setStamp(slot: number, stamp: number): void {
    setStampAt(this.#slots.wordsOf(slot), firstWordOf(slot), stamp);
  }

  newerOf(slot: number): number {
    return this.#slots.wordsOf(slot)[firstWordOf(slot) + 4] as number;
  }

  setNewer(slot: number, newer: number): void {
    this.#slots.wordsOf(slot)[firstWordOf(slot) + 4] = newer;
  }

  olderOf(slot: number): number {
    return this.#slots.wordsOf(slot)[firstWordOf(slot) + 5] as number;
  }

  setOlder(slot: number, older: number): void {
    this.#slots.wordsOf(slot)[firstWordOf(slot) + 5] = older;
  }

  expireAtMsOf(slot: number): number {
    if (!hasDeadlineAt(this.#slots.wordsOf(slot), firstWordOf(slot))) return NEVER;
    return this.#slots.deadlinesOf(slot).atMs[indexOf(slot)] as number;
  }

  /** The place in the expiry index of a slot that has a deadline. */
  expiryPlaceOf(slot: number): number {
    return this.#slots.deadlinesOf(slot).places[indexOf(slot)] as number;
  }

  setExpiryPlace(slot: number, place: number): void {
    this.#slots.deadlinesOf(slot).places[indexOf(slot)] = place;
  }

  /** Writes key and value into the slot's cell if it is large enough, otherwise into a new cell. */
  #fill(slot: number, words: Int32Array, at: number, key: KeyBytes, pair: EncodedPair): void {
    const { bytes, valueOffset, valueBytes, typeOffset, typeBytes } = pair;
    const isOwn = valueBytes > ARENA_VALUE_BYTES_MAX;
    const keyWords = wordsFor(key.length);
    const oldBytes = words[at + 2] === 0 ? 0 : this.#cellBytesOf(slot, words, at);
    const pairBytes = roundUp(4 * keyWords + (isOwn ? 4 : valueBytes));
    const newBytes = pairBytes + roundUp(typeBytes);
    this.#dropOwn(words, at);
    if (newBytes > oldBytes || this.#arena.isAppendOnly) {
      if (oldBytes > 0) this.#free(words, at, oldBytes);
      this.#placeCell(words, at, newBytes);
      const { words: cells } = this.#chunkAt(words, at);
      const first = cellWordAt(words, at);
      for (let i = 0; i < keyWords; i++) cells[first + i] = key.words[i] as number;
    } else if (newBytes < oldBytes) {
      this.#free(words, at, oldBytes - newBytes);
    }
    setValueBytesAt(words, at, isOwn ? undefined : valueBytes);
    const chunk = this.#chunkAt(words, at);
    const first = cellWordAt(words, at) + keyWords;
    const valueEnd = valueOffset + valueBytes;
    if (isOwn) chunk.words[first] = this.#own.keep(bytes.subarray(valueOffset, valueEnd), pair.isFinal);
    else bytes.copy(chunk.bytes, 4 * first, valueOffset, valueEnd);
    this.#slots.setTypeBytes(slot, typeBytes);
    if (typeBytes > 0)
      bytes.copy(chunk.bytes, 4 * cellWordAt(words, at) + pairBytes, typeOffset, typeOffset + typeBytes);
  }

  #cellBytesOf(slot: number, words: Int32Array, at: number): number {
    return cellBytesAt(words, at) + roundUp(this.#slots.typeBytesOf(slot));
  }

  /** The length of the content type; 0 for none. */
  typeBytesOf(slot: number): number {
    return this.#slots.typeBytesOf(slot);
  }

  /** Copies the content type. */
  copyTypeTo(slot: number, target: Uint8Array, targetAt: number): void {
    target.set(this.#typeOf(slot), targetAt);
  }

  /** The CRC of the content type; 0 for none. */
  typeCrcOf(slot: number): number {
    return this.#slots.typeBytesOf(slot) === 0 ? 0 : crc32(this.#typeOf(slot));
  }

  contentTypeOf(slot: number): string | undefined {
    return this.#slots.typeBytesOf(slot) === 0 ? undefined : this.#typeOf(slot).toString('latin1');
  }

  #typeOf(slot: number): Buffer {
    const words = this.#slots.wordsOf(slot);
    const at = firstWordOf(slot);
    const first = 4 * cellWordAt(words, at) + cellBytesAt(words, at);
    return this.#chunkAt(words, at).bytes.subarray(first, first + this.#slots.typeBytesOf(slot));
  }

  /** Allocates a new cell for the slot. */
  #placeCell(words: Int32Array, at: number, bytes: number): void {
    const place = this.#arena.allocate(bytes);
    setCellAt(words, at, this.#arena.openId, place);
  }

  #free(words: Int32Array, at: number, bytes: number): void {
    this.#arena.free(chunkIdAt(words, at), bytes);
    this.#freedBytes += bytes;
  }

  /** Lets the compactor run. Called at the end of an operation, when no slot is half written. */
  #compact(): void {
    if (this.#freedBytes === 0) return;
    this.#compactor.onFreed(this.#freedBytes);
    this.#freedBytes = 0;
  }

  #dropOwn(words: Int32Array, at: number): void {
    if (!hasOwnAt(words, at)) return;
    this.#own.drop(this.#chunkAt(words, at).words[valueByteAt(words, at) >>> 2] as number);
  }

  #ownAt(words: Int32Array, at: number): Uint8Array | undefined {
    if (!hasOwnAt(words, at)) return undefined;
    return this.#own.at(this.#chunkAt(words, at).words[valueByteAt(words, at) >>> 2] as number);
  }

  #valueAt(words: Int32Array, at: number): Uint8Array {
    const own = this.#ownAt(words, at);
    if (own !== undefined) return own;
    const cells = this.#chunkAt(words, at).words;
    const first = valueByteAt(words, at);
    const length = valueBytesAt(words, at);
    return this.#arena.isAppendOnly
      ? new Uint8Array(cells.buffer, first, length)
      : this.#pool.copy(cells, first >>> 2, length);
  }

  #chunkAt(words: Int32Array, at: number): ArenaChunk {
    return this.#arena.chunk(chunkIdAt(words, at));
  }
}
