/** Where the keys and values of a request stand in its bytes, as columns of numbers that all requests share. */
import type { PlainSets } from '#model/commands.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import type { Position } from '#model/position.ts';
import { type BatchReader, GET, SET } from '#wire/kv-reader.ts';

const NO_BYTES = Buffer.alloc(0);

/** Keys of a batch that has nothing but Gets: where each begins and ends in its bytes. */
export class KeyRanges {
  count = 0;
  readonly offsets = new Uint32Array(BATCH_OPERATIONS_MAX);
  readonly bytes = new Uint16Array(BATCH_OPERATIONS_MAX);

  /** False where it has anything else, or a Get that `includes` does not let be answered at once. */
  read(reader: BatchReader, includes: (position: Position) => boolean): boolean {
    let count = 0;
    for (let kind = reader.next(); kind !== 0; kind = reader.next()) {
      if (kind !== GET || count === BATCH_OPERATIONS_MAX || !reader.get(includes)) return false;
      this.offsets[count] = reader.keyOffset;
      this.bytes[count++] = reader.keyBytes;
    }
    this.count = count;
    return count > 0;
  }
}

/** Sets that ask for nothing but being visible: where each stands in the bytes of a request. */
export class SetRanges implements PlainSets {
  bytes: Buffer = NO_BYTES;
  count = 0;
  readonly keyOffsets = new Uint32Array(BATCH_OPERATIONS_MAX);
  readonly keyBytes = new Uint16Array(BATCH_OPERATIONS_MAX);
  readonly valueOffsets = new Uint32Array(BATCH_OPERATIONS_MAX);
  readonly valueBytes = new Uint32Array(BATCH_OPERATIONS_MAX);
  readonly expiries = new Uint8Array(BATCH_OPERATIONS_MAX);
  readonly expiryMs = new Float64Array(BATCH_OPERATIONS_MAX);

  /** A BatchRequest; false where it has anything else. */
  read(reader: BatchReader, bytes: Buffer, valueBytesMax: number): boolean {
    this.#begin(bytes);
    reader.open(bytes);
    for (let kind = reader.next(); kind !== 0; kind = reader.next()) {
      if (kind !== SET || this.count === BATCH_OPERATIONS_MAX) return false;
      if (!reader.plainSet(valueBytesMax)) return false;
      this.#add(reader);
    }
    return this.count > 0;
  }

  /** A SetRequest; false where it is another one. */
  readOne(reader: BatchReader, bytes: Buffer, valueBytesMax: number): boolean {
    this.#begin(bytes);
    reader.openOne(bytes);
    if (!reader.plainSet(valueBytesMax)) return false;
    this.#add(reader);
    return true;
  }

  /** Lets go of the request. */
  close(): void {
    this.bytes = NO_BYTES;
    this.count = 0;
  }

  #begin(bytes: Buffer): void {
    this.bytes = bytes;
    this.count = 0;
  }

  #add(reader: BatchReader): void {
    const i = this.count++;
    this.keyOffsets[i] = reader.keyOffset;
    this.keyBytes[i] = reader.keyBytes;
    this.valueOffsets[i] = reader.valueOffset;
    this.valueBytes[i] = reader.valueBytes;
    this.expiries[i] = reader.expiry;
    this.expiryMs[i] = reader.expiryMs;
  }
}
