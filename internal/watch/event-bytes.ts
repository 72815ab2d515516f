/**
 * Keys and values of events, copied out of records side by side into chunks, so that an
 * event costs no buffer of its own. A long value gets one, or stays in its record where
 * nobody writes to that again and it has little else.
 */
import type { EncodedPair } from '#model/entry.ts';
import type { EventSource } from '#model/watch.ts';
import { isMostOfBuffer } from '#platform/bytes.ts';

/** An event that waits keeps its whole chunk in memory. */
const CHUNK_BYTES = 8_192;
/** More bytes than this get a buffer of their own. */
const SHARED_BYTES_MAX = CHUNK_BYTES / 4;

export class EventBytes {
  #chunk = Buffer.alloc(0);
  #at = 0;

  /** What an event can be made of when the record is gone. */
  keep(pair: EncodedPair): EventSource {
    const { bytes, keyOffset, keyBytes, valueOffset, valueBytes, isFinal } = pair;
    const length = keyBytes + valueBytes;
    if (isFinal === true && length > SHARED_BYTES_MAX) {
      const value = bytes.subarray(valueOffset, valueOffset + valueBytes);
      if (isMostOfBuffer(value)) return { bytes, keyOffset, keyBytes, valueOffset, valueBytes };
    }
    const to = this.#roomFor(length);
    const target = length > SHARED_BYTES_MAX ? Buffer.allocUnsafeSlow(length) : this.#chunk;
    copy(bytes, keyOffset, target, to, keyBytes);
    copy(bytes, valueOffset, target, to + keyBytes, valueBytes);
    return { bytes: target, keyOffset: to, keyBytes, valueOffset: to + keyBytes, valueBytes };
  }

  /** Where the bytes go: in a chunk with room for them, or at the beginning of a buffer of their own. */
  #roomFor(length: number): number {
    if (length > SHARED_BYTES_MAX) return 0;
    if (this.#at + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      this.#at = 0;
    }
    const at = this.#at;
    this.#at += length;
    return at;
  }
}

/** Few bytes are copied faster by a loop than by a call out of JavaScript. */
const COPY_BY_HAND = 48;

function copy(from: Buffer, fromAt: number, to: Buffer, toAt: number, length: number): void {
  if (length > COPY_BY_HAND) from.copy(to, toAt, fromAt, fromAt + length);
  else for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] as number;
}
