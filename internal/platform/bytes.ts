/** Reads and writes the little-endian numbers of the formats on disk. Pure. */

const TWO_32 = 2 ** 32;
/** The high word of a number below 2^53 is below this. */
const HIGH_MAX = 2 ** 21;

/** Like `writeUInt32LE`, for a number that is known to fit; returns the offset of its end. */
export function writeUint32(target: Uint8Array, value: number, offset: number): number {
  target[offset] = value;
  target[offset + 1] = value >>> 8;
  target[offset + 2] = value >>> 16;
  target[offset + 3] = value >>> 24;
  return offset + 4;
}

/** Writes a whole number below 2^53 as u64; returns the offset of its end. */
export function writeUint53(target: Uint8Array, value: number, offset: number): number {
  // Most are small, and a division costs as much as all else.
  if (value < TWO_32) return writeUint32(target, 0, writeUint32(target, value, offset));
  writeUint32(target, value % TWO_32, offset);
  return writeUint32(target, Math.floor(value / TWO_32), offset + 4);
}

/** Reads a u64; NaN if it is 2^53 or more, so that every comparison with it is false. */
export function readUint53(source: Buffer, offset: number): number {
  const high = source.readUInt32LE(offset + 4);
  return high < HIGH_MAX ? high * TWO_32 + source.readUInt32LE(offset) : Number.NaN;
}

/** A Buffer over the same bytes, without copying. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The part that bytes must be of a buffer that is kept for their sake. */
const SHARE_MIN = 7 / 8;

/** True if the buffer of `bytes` has little else, so that to keep them costs hardly more than a copy of them. */
export function isMostOfBuffer({ byteLength, buffer }: Uint8Array): boolean {
  return byteLength >= SHARE_MIN * buffer.byteLength;
}
