/** Little-endian numbers and short CRCs: what every part of the format is written with. Pure. */

const TWO_32 = 2 ** 32;
/** The high half of a u64 that is still below 2^53. */
const HIGH_MAX = 2 ** 21;

/** Writes a whole number below 2^53 as u64. */
export function writeUint53(target: Buffer, value: number, offset: number): void {
  target.writeUInt32LE(value % TWO_32, offset);
  target.writeUInt32LE(Math.floor(value / TWO_32), offset + 4);
}

/** Reads a u64; NaN where it is not below 2^53, so that every comparison with it is false. */
export function readUint53(source: Buffer, offset: number): number {
  const high = source.readUInt32LE(offset + 4);
  return high < HIGH_MAX ? high * TWO_32 + source.readUInt32LE(offset) : Number.NaN;
}

const CRC_TABLE = createCrcTable();

function createCrcTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    table[n] = crc;
  }
  return table;
}

/**
 * CRC-32 of `bytes[from, to)`, continued from `seed`: equal to `crc32` of the
 * platform, but without the view and the call into native code, which cost
 * more than the dozen bytes this is for.
 */
export function crc32Short(bytes: Uint8Array, from: number, to: number, seed: number): number {
  let crc = ~seed;
  for (let i = from; i < to; i++) {
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (bytes[i] as number)) & 0xff] as number);
  }
  return ~crc >>> 0;
}

/** A Buffer over the same bytes, without copying. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
