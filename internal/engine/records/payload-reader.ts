/**
 * Reads the fields of a payload in order, each checked against what is left:
 * no length is trusted. Throws `RecordError`.
 */
import { RecordError } from '#engine/records/record-kind.ts';
import { VERSION } from '#engine/records/record-layout.ts';
import { asBuffer } from '#platform/bytes.ts';

export class PayloadReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, from: number, to: number) {
    this.#bytes = bytes;
    this.#at = from;
    this.#end = to;
  }

  static of(payload: Uint8Array): PayloadReader {
    return new PayloadReader(asBuffer(payload), 0, payload.length);
  }

  /** The layout version, the first byte of every payload: the first one. */
  version(): void {
    const version = this.uint8();
    if (version !== VERSION) throw new RecordError(`unknown payload version ${version}`);
  }

  uint8(): number {
    return this.#bytes[this.#skip(1)] as number;
  }

  uint32(): number {
    return readUint32(this.#bytes, this.#skip(4));
  }

  uint64(): number {
    return readUint64(this.#bytes, this.#skip(8));
  }

  end(): void {
    if (this.#at !== this.#end) throw new RecordError(`${this.#end - this.#at} bytes too many`);
  }

  /** Where the next `length` bytes begin. */
  #skip(length: number): number {
    const at = this.#at;
    if (at + length > this.#end) throw cutShort();
    this.#at = at + length;
    return at;
  }
}

export function cutShort(): RecordError {
  return new RecordError('payload ends within a field');
}

export function readUint32(bytes: Buffer, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16);
  return (low | ((bytes[at + 3] as number) << 24)) >>> 0;
}

/** Throws where it is none below 2^53. */
export function readUint64(bytes: Buffer, at: number): number {
  const high = readUint32(bytes, at + 4);
  const value = readUint32(bytes, at) + high * 0x1_0000_0000;
  if (high > 0x1f_ffff) throw new RecordError('number over 2^53');
  return value;
}
