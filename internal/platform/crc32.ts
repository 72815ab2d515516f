/** CRC-32 (IEEE 802.3, reflected, as in zlib and gzip): the checksum of every Walnut file. */
import { crc32 as zlibCrc32 } from 'node:zlib';

/** The CRC of `bytes`, continuing from `seed` (the CRC of what came before; 0 at a beginning). */
export function crc32(bytes: Uint8Array, seed = 0): number {
  return zlibCrc32(bytes, seed);
}
