/**
 * The layout of a slot's ten words. These pure functions take the words of the
 * slot's chunk and the index `at` of the slot's first word:
 *
 *   word 0   place of the cell in its arena chunk (18 bits), that chunk (low 14 bits)
 *        1   bytes of the value (15), own buffer (1), deadline (1), state (2), chunk (high 13)
 *        2   bytes of the key (16), epoch number (low 16)
 *        3   CRC of the value
 *        4,5 the slots touched next after and last before this one
 *        6,7 LSN (53), epoch number (high 11)
 *        8,9 stamp (53)
 *
 * A cell contains the key, zeros up to the next whole word, and then the value or
 * the number of the value's own buffer.
 */
import { roundUp } from '#storage/arena.ts';

/** 32-bit words in a cache line. */
const LINE_WORDS = 16;
/** One kilobyte: the processor's own prefetcher takes over in a longer sequential copy. */
const PEEKED_WORDS_MAX = 256;
const OWN_BIT = 1 << 15;
const DEADLINE_BIT = 1 << 16;
const STATE_SHIFT = 17;
const STATE_MASK = 3 << STATE_SHIFT;
const VALUE_MASK = OWN_BIT - 1;
const CHUNK_LOW_BITS = 14;
const CHUNK_HIGH_SHIFT = 19;
export const PLACE_BITS = 18;
export const PLACE_MASK = (1 << PLACE_BITS) - 1;
/** A number below 2^53 has this many bits above its low 32. */
const HIGH_BITS = 21;
const HIGH_MASK = (1 << HIGH_BITS) - 1;
const TWO_32 = 2 ** 32;

/** Sets the slot's cell to the one at `place` of the chunk. */
export function setCellAt(words: Int32Array, at: number, chunkId: number, place: number): void {
  words[at] = place | (chunkId << PLACE_BITS);
  const rest = (words[at + 1] as number) & ((1 << CHUNK_HIGH_SHIFT) - 1);
  words[at + 1] = rest | ((chunkId >>> CHUNK_LOW_BITS) << CHUNK_HIGH_SHIFT);
}

/** `valueBytes` is the length of a value in the arena, undefined for a value with a buffer of its own. */
export function setValueBytesAt(words: Int32Array, at: number, valueBytes: number | undefined): void {
  words[at + 1] = ((words[at + 1] as number) & ~(OWN_BIT | VALUE_MASK)) | (valueBytes ?? OWN_BIT);
}

export function hasOwnAt(words: Int32Array, at: number): boolean {
  return ((words[at + 1] as number) & OWN_BIT) !== 0;
}

export function hasDeadlineAt(words: Int32Array, at: number): boolean {
  return ((words[at + 1] as number) & DEADLINE_BIT) !== 0;
}

export function setHasDeadlineAt(words: Int32Array, at: number, hasDeadline: boolean): void {
  const word = words[at + 1] as number;
  words[at + 1] = hasDeadline ? word | DEADLINE_BIT : word & ~DEADLINE_BIT;
}

export function setStateAt(words: Int32Array, at: number, state: number): void {
  words[at + 1] = ((words[at + 1] as number) & ~STATE_MASK) | (state << STATE_SHIFT);
}

/** Sets key length, epoch number and LSN. */
export function setKeyAt(
  words: Int32Array,
  at: number,
  keyBytes: number,
  epochId: number,
  lsn: number,
): void {
  words[at + 2] = keyBytes | (epochId << 16);
  words[at + 6] = lsn | 0;
  words[at + 7] = (lsn / TWO_32) | ((epochId >>> 16) << HIGH_BITS);
}

export function stampAt(words: Int32Array, at: number): number {
  return (words[at + 9] as number) * TWO_32 + ((words[at + 8] as number) >>> 0);
}

export function setStampAt(words: Int32Array, at: number, stamp: number): void {
  words[at + 8] = stamp | 0;
  words[at + 9] = stamp / TWO_32;
}

export function stateAt(words: Int32Array, at: number): number {
  return ((words[at + 1] as number) & STATE_MASK) >>> STATE_SHIFT;
}

export function keyBytesAt(words: Int32Array, at: number): number {
  return (words[at + 2] as number) & 0xffff;
}

/** The length of a value in the arena; 0 if the value has a buffer of its own. */
export function valueBytesAt(words: Int32Array, at: number): number {
  return (words[at + 1] as number) & VALUE_MASK;
}

export function epochIdAt(words: Int32Array, at: number): number {
  return ((words[at + 2] as number) >>> 16) | (((words[at + 7] as number) >>> HIGH_BITS) << 16);
}

export function lsnAt(words: Int32Array, at: number): number {
  return ((words[at + 7] as number) & HIGH_MASK) * TWO_32 + ((words[at + 6] as number) >>> 0);
}

export function chunkIdAt(words: Int32Array, at: number): number {
  return (
    ((words[at] as number) >>> PLACE_BITS) |
    (((words[at + 1] as number) >>> CHUNK_HIGH_SHIFT) << CHUNK_LOW_BITS)
  );
}

/** The index of the cell's first word within its arena chunk. */
export function cellWordAt(words: Int32Array, at: number): number {
  return (words[at] as number) & PLACE_MASK;
}

/** The index of the value's first byte within its arena chunk: the word behind the key. */
export function valueByteAt(words: Int32Array, at: number): number {
  return 4 * (cellWordAt(words, at) + wordsFor(keyBytesAt(words, at)));
}

/** The room that key and value take; the content type stands behind them. */
export function cellBytesAt(words: Int32Array, at: number): number {
  return roundUp(4 * wordsFor(keyBytesAt(words, at)) + (hasOwnAt(words, at) ? 4 : valueBytesAt(words, at)));
}

/** For prefetching: reads the lines of the cell, up to a kilobyte; `cells` are the words of its arena chunk. */
export function peekCellAt(words: Int32Array, at: number, cells: Int32Array): number {
  const first = cellWordAt(words, at);
  const count = Math.min(cellBytesAt(words, at) >>> 2, PEEKED_WORDS_MAX);
  let seen = cells[first + count - 1] as number;
  for (let i = 0; i < count; i += LINE_WORDS) seen ^= cells[first + i] as number;
  return seen;
}

export function wordsFor(bytes: number): number {
  return (bytes + 3) >>> 2;
}
