/**
 * The slot of a key. This is the rule of Redis Cluster (its cluster specification,
 * "Hash tags"), so that its tools and its users' knowledge apply. Pure.
 */

/** Slots are numbered 0 to `SLOTS` - 1. */
export const SLOTS = 16_384;

const OPEN = 0x7b;
const CLOSE = 0x7d;

/** CRC-16/XMODEM: polynomial 0x1021, initial value 0, no reflection, no final XOR. */
const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/**
 * The slot of a key given as its UTF-8 bytes. If the key has a `{`, and a `}` after it
 * with at least one byte between them, only those bytes are hashed. So keys with the
 * same tag share a slot.
 */
export function slotOf(key: Uint8Array): number {
  const open = key.indexOf(OPEN);
  const close = open < 0 ? -1 : key.indexOf(CLOSE, open + 1);
  const crc = close > open + 1 ? crc16(key, open + 1, close) : crc16(key, 0, key.length);
  return crc % SLOTS;
}

function crc16(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0;
  for (let i = from; i < to; i++)
    crc = ((crc << 8) & 0xffff) ^ (CRC_TABLE[(crc >>> 8) ^ (bytes[i] as number)] as number);
  return crc;
}
