/**
 * Keys and values of events, copied out of records side by side into chunks, so that an
 * event costs no buffer of its own. A long value gets one, or stays in its record where
 * nobody writes to that again and it has little else.
 */
import type { EncodedPair } from '#model/encoded.ts';
import type { EventSource } from '#model/watch.ts';
import { isMostOfBuffer } from '#platform/bytes.ts';
import { Fifo } from '#platform/fifo.ts';

/** An event that waits keeps its whole chunk in memory. */
export const CHUNK_BYTES = 8_192;
/** Numbers of packed changes lie at multiples of it. */
export const UNIT_BYTES = 8;
/** More bytes than this get a buffer of their own. */
const SHARED_BYTES_MAX = CHUNK_BYTES / 4;

/** A buffer that events share, whole or packed: see `packed-change.ts`. */
export class Chunk {
  readonly buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  /** The same bytes, for the numbers of packed changes. */
  readonly doubles = new Float64Array(this.buffer.buffer);
  readonly words = new Int32Array(this.buffer.buffer);
  /** Events in it that wait for a watcher: as long as there is one, all of it stays in memory. */
  holders = 0;
}

/** `chunk`: where the bytes lie beside those of other events; undefined: they have a buffer that counts as they do. */
export interface KeptSource extends EventSource {
  readonly chunk: Chunk | undefined;
}

/** Chunks that are kept to be written again: 1 MiB. */
const REUSED_MAX = 128;

export class EventBytes {
  #chunk: Chunk | undefined;
  #at = 0;
  /** In the order in which they were begun. */
  readonly #begun: Fifo<Chunk> | undefined;

  /** `isReused`: what is in a chunk is read no more once nothing waits in it, so that it is written again. */
  constructor(isReused = false) {
    this.#begun = isReused ? new Fifo() : undefined;
  }

  /** The chunk that the last place was given in. */
  get chunk(): Chunk {
    return this.#chunk as Chunk;
  }

  /** The place of `length` free bytes in `chunk`, at a multiple of eight; undefined for more than events may share. */
  place(length: number): number | undefined {
    if (length > SHARED_BYTES_MAX) return undefined;
    this.#at = Math.ceil(this.#at / UNIT_BYTES) * UNIT_BYTES;
    this.#chunkFor(length);
    return this.#at - length;
  }

  /** What an event can be made of when the record is gone. */
  keep(pair: EncodedPair): KeptSource {
    const { bytes, keyOffset, keyBytes, valueOffset, valueBytes, isFinal } = pair;
    const length = keyBytes + valueBytes;
    if (isFinal === true && length > SHARED_BYTES_MAX) {
      const value = bytes.subarray(valueOffset, valueOffset + valueBytes);
      if (isMostOfBuffer(value))
        return { bytes, keyOffset, keyBytes, valueOffset, valueBytes, chunk: undefined };
    }
    const chunk = length > SHARED_BYTES_MAX ? undefined : this.#chunkFor(length);
    const target = chunk === undefined ? Buffer.allocUnsafeSlow(length) : chunk.buffer;
    const to = chunk === undefined ? 0 : this.#at - length;
    copy(bytes, keyOffset, target, to, keyBytes);
    copy(bytes, valueOffset, target, to + keyBytes, valueBytes);
    return { bytes: target, keyOffset: to, keyBytes, valueOffset: to + keyBytes, valueBytes, chunk };
  }

  /** A chunk whose `length` bytes before `#at` are free for the event. */
  #chunkFor(length: number): Chunk {
    if (this.#chunk === undefined || this.#at + length > CHUNK_BYTES) {
      this.#chunk = this.#begin();
      this.#at = 0;
    }
    this.#at += length;
    return this.#chunk;
  }

  #begin(): Chunk {
    const begun = this.#begun;
    if (begun === undefined) return new Chunk();
    const oldest = begun.at(0);
    const isFree = oldest?.holders === 0;
    if (isFree || begun.length === REUSED_MAX) begun.drop(1);
    const chunk = isFree ? oldest : new Chunk();
    begun.push(chunk);
    return chunk;
  }
}

/** So few bytes are copied faster by a loop than by a call out of JavaScript. */
const COPY_BY_HAND = 48;

/** Copies `length` bytes. */
export function copy(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  if (length > COPY_BY_HAND) from.copy(to, toAt, fromAt, fromAt + length);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] as number;
}
