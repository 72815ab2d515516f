/** CRC-32 (IEEE 802.3, reflected, as in zlib and gzip): the checksum of every Walnut file. */
import { crc32 as zlibCrc32 } from 'node:zlib';

/**
 * Below this many bytes the tables are faster than native code, which costs about
 * 200 ns for the view and the call. The break-even point was measured.
 */
const NATIVE_BYTES_MIN = 256;
/** Bytes per step, each with a table of its own (slicing-by-8, Kounavis and Berry 2005). */
const SLICE_BYTES = 8;

const TABLES = createTables();

/** Entry `k * 256 + n`: the CRC of byte `n` followed by `k` zero bytes. */
function createTables(): Int32Array {
  const tables = new Int32Array(SLICE_BYTES * 256);
  for (let n = 0; n < 256; n++) {
    let crc = n;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
    tables[n] = crc;
  }
  for (let i = 256; i < tables.length; i++) {
    const before = tables[i - 256] as number;
    tables[i] = (before >>> 8) ^ (tables[before & 0xff] as number);
  }
  return tables;
}

/**
 * The CRC of `bytes[from, to)`, by default all of `bytes`. `seed` is the CRC of the
 * bytes before these, 0 if there are none.
 */
export function crc32(bytes: Uint8Array, seed = 0, from = 0, to = bytes.length): number {
  if (to - from >= NATIVE_BYTES_MIN) return zlibCrc32(bytes.subarray(from, to), seed);
  return crc32ByTables(bytes, seed, from, to);
}

function crc32ByTables(bytes: Uint8Array, seed: number, from: number, to: number): number {
  let crc = ~seed;
  let i = from;
  for (const last = to - SLICE_BYTES; i <= last; i += SLICE_BYTES) {
    crc =
      (TABLES[1_792 + ((crc ^ (bytes[i] as number)) & 0xff)] as number) ^
      (TABLES[1_536 + (((crc >>> 8) ^ (bytes[i + 1] as number)) & 0xff)] as number) ^
      (TABLES[1_280 + (((crc >>> 16) ^ (bytes[i + 2] as number)) & 0xff)] as number) ^
      (TABLES[1_024 + ((crc >>> 24) ^ (bytes[i + 3] as number))] as number) ^
      (TABLES[768 + (bytes[i + 4] as number)] as number) ^
      (TABLES[512 + (bytes[i + 5] as number)] as number) ^
      (TABLES[256 + (bytes[i + 6] as number)] as number) ^
      (TABLES[bytes[i + 7] as number] as number);
  }
  for (; i < to; i++) crc = (crc >>> 8) ^ (TABLES[(crc ^ (bytes[i] as number)) & 0xff] as number);
  return ~crc >>> 0;
}
