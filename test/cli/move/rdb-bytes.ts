/** RDB files by hand, for tests: each function gives the bytes of one part. */
import { Crc64 } from '../../../cmd/walnut/move/crc64.ts';

type Part = Uint8Array | string | number;

/** Bytes of numbers, texts and buffers in a row. */
export function bytes(...parts: readonly Part[]): Buffer {
  return Buffer.concat(
    parts.map((part) => (typeof part === 'number' ? Buffer.of(part) : Buffer.from(part as Uint8Array))),
  );
}

export function length(value: number): Buffer {
  if (value < 64) return Buffer.of(value);
  if (value < 16_384) return Buffer.of(0x40 | (value >> 8), value & 0xff);
  const wide = Buffer.alloc(5, 0x80);
  wide.writeUInt32BE(value, 1);
  return wide;
}

export function string(text: Uint8Array | string): Buffer {
  const plain = Buffer.from(text as string);
  return bytes(length(plain.length), plain);
}

export function uint64(value: number | bigint): Buffer {
  const buffer = Buffer.alloc(8);
  buffer.writeBigUInt64LE(BigInt(value));
  return buffer;
}

export const expiresMs = (ms: number | bigint): Buffer => bytes(0xfc, uint64(ms));
export const select = (database: number): Buffer => bytes(0xfe, length(database));
export const key = (name: Uint8Array | string, value: Uint8Array | string): Buffer =>
  bytes(0, string(name), string(value));

/** A whole file: `checksum` 0 stands for none, undefined for the right one. */
export function rdb(
  parts: readonly Uint8Array[],
  { version = '0011', checksum = undefined as bigint | undefined } = {},
): Buffer {
  const body = bytes(`REDIS${version}`, ...parts, 0xff);
  const crc = new Crc64();
  crc.update(body);
  return bytes(body, uint64(checksum ?? crc.value));
}
