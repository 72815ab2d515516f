/**
 * Writes the bytes of answers into one buffer that all answers share: `begin` starts
 * an answer, `take` returns it. Not reentrant.
 */
const KEPT_BYTES = 262_144;
/** So few bytes are copied faster by a loop than by a call out of JavaScript. */
const FEW_BYTES = 48;
/** Length of the longest varint. */
export const VARINT_BYTES_MAX = 10;

/** Writes a whole number from 0 to 2^53 - 1 at `start` and returns where it ends. `target` must have room. */
export function writeVarint(target: Buffer, value: number, start: number): number {
  let at = start;
  let rest = value;
  while (rest > 0x7f_ff_ff_ff) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    target[at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** Copies the `length` bytes of `source` at `from` to `target` at `at`. `target` must have room. */
export function copyPart(source: Buffer, from: number, length: number, target: Buffer, at: number): void {
  if (length > FEW_BYTES) source.copy(target, at, from, from + length);
  else for (let i = 0; i < length; i++) target[at + i] = source[from + i] as number;
}

export class ByteWriter {
  readonly #keptBytes: number;
  buffer: Buffer<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  at = 0;

  /** `keptBytes` is the size of the buffer that is kept from one answer to the next. */
  constructor(keptBytes = KEPT_BYTES) {
    this.#keptBytes = keptBytes;
    this.buffer = Buffer.allocUnsafeSlow(keptBytes);
    this.view = new DataView(this.buffer.buffer);
  }

  /** Begins with `headroom` unwritten bytes. */
  begin(headroom: number): void {
    // A buffer that grew for one huge answer is not kept.
    if (this.buffer.length > this.#keptBytes) this.#replace(Buffer.allocUnsafeSlow(this.#keptBytes));
    this.at = headroom;
  }

  /** Makes room for `bytes` more bytes. Must be called before they are written. */
  reserve(bytes: number): void {
    const needed = this.at + bytes;
    if (needed <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.buffer.length));
    this.buffer.copy(larger, 0, 0, this.at);
    this.#replace(larger);
  }

  /** Writes a whole number from 0 to 2^53 - 1. */
  varint(value: number): void {
    this.at = writeVarint(this.buffer, value, this.at);
  }

  byte(value: number): void {
    this.buffer[this.at++] = value;
  }

  bytes(source: Uint8Array): void {
    this.buffer.set(source, this.at);
    this.at += source.length;
  }

  /** The `length` bytes of `source` at `from`. */
  part(source: Buffer, from: number, length: number): void {
    copyPart(source, from, length, this.buffer, this.at);
    this.at += length;
  }

  /** `bytes` that is faster for a few bytes. */
  fewBytes(source: Uint8Array): void {
    const { buffer, at } = this;
    for (let i = 0; i < source.length; i++) buffer[at + i] = source[i] as number;
    this.at = at + source.length;
  }

  /** Repeats the last `bytes` bytes `times` times. The caller must have reserved room. */
  repeat(bytes: number, times: number): void {
    const start = this.at - bytes;
    const end = this.at + bytes * times;
    // Each copy doubles the repeated bytes.
    while (this.at < end) {
      const copied = Math.min(this.at - start, end - this.at);
      this.buffer.copyWithin(this.at, start, start + copied);
      this.at += copied;
    }
  }

  /** The answer: a copy, or the buffer itself if it grew and so is not kept. */
  take(): Buffer {
    if (this.buffer.length > this.#keptBytes) return this.buffer.subarray(0, this.at);
    const taken = Buffer.allocUnsafe(this.at);
    this.buffer.copy(taken, 0, 0, this.at);
    return taken;
  }

  #replace(buffer: Buffer<ArrayBuffer>): void {
    this.buffer = buffer;
    this.view = new DataView(buffer.buffer);
  }
}

/** Length of a whole number from 0 to 2^53 - 1 as a varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  let rest = value;
  for (; rest > 0x7f_ff_ff_ff; rest = Math.floor(rest / 128)) bytes++;
  for (; rest > 0x7f; rest >>>= 7) bytes++;
  return bytes;
}

/** Bytes of a number as a field whose tag has one byte; none for 0, which is not written. */
export function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}
