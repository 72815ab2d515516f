/**
 * The slot of a key. This is the rule of Redis Cluster (its cluster specification,
 * "Hash tags"), so that its tools and its users' knowledge apply. Pure.
 */
import { KEY_BYTES_MAX } from '#model/limits.ts';
import { SLOTS } from '#model/slots.ts';

const OPEN = 0x7b;
const CLOSE = 0x7d;

/** CRC-16/XMODEM: polynomial 0x1021, initial value 0, no reflection, no final XOR. */
const CRC_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/**
 * The slot of the key in `bytes[from, to)`, which are its UTF-8. If the key has a `{`, and
 * a `}` after it with at least one byte between them, only those bytes are hashed. So keys
 * with the same tag share a slot.
 */
export function slotOf(bytes: Uint8Array, from = 0, to = bytes.length): number {
  const open = indexIn(bytes, OPEN, from, to);
  const close = open < 0 ? -1 : indexIn(bytes, CLOSE, open + 1, to);
  const crc = close > open + 1 ? crc16(bytes, open + 1, close) : crc16(bytes, from, to);
  return crc % SLOTS;
}

const encoder = new TextEncoder();
/** For the bytes of one key at a time. */
const scratch = new Uint8Array(KEY_BYTES_MAX);

/** The slot of a key as a string, without an allocation where it has a permitted length. */
export function slotOfKey(key: string): number {
  const { read, written } = encoder.encodeInto(key, scratch);
  return read === key.length ? slotOf(scratch, 0, written) : slotOf(encoder.encode(key));
}

/** True if the prefix has a whole tag, so that every key that begins with it is of the slot of the prefix itself. */
export function isOfOneSlot(prefix: string): boolean {
  const open = prefix.indexOf('{');
  return open >= 0 && prefix.indexOf('}', open) > open + 1;
}

/** The beginning of such a prefix, up to the end of its tag. */
export function tagOf(prefix: string): string {
  return prefix.slice(0, prefix.indexOf('}', prefix.indexOf('{')) + 1);
}

/** Keys are short: a loop is faster than a call of `indexOf`, which would also search behind the key. */
function indexIn(bytes: Uint8Array, byte: number, from: number, to: number): number {
  for (let i = from; i < to; i++) if (bytes[i] === byte) return i;
  return -1;
}

function crc16(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0;
  for (let i = from; i < to; i++)
    crc = ((crc << 8) & 0xffff) ^ (CRC_TABLE[(crc >>> 8) ^ (bytes[i] as number)] as number);
  return crc;
}
