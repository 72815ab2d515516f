/** Limits of keys, and how keys are checked and shown. */
import { invalidArgument } from '#model/errors.ts';

/** Bytes of UTF-8. */
export const KEY_BYTES_MAX = 1_024;
/** Characters of a request id: a UUID has 36. */
export const REQUEST_ID_CHARACTERS_MAX = 128;
/** Bytes of keys that one ack hints at as recently read. */
export const HOT_KEYS_BYTES_MAX = 4_096;
/** Operations in one Batch. */
export const BATCH_OPERATIONS_MAX = 1_000;
/** Replicas of one node, and so the most that `min_acks` can ask for. */
export const REPLICAS_MAX = 64;
/** Addresses of replicas that a master remembers, besides those in its configuration. */
export const KNOWN_REPLICAS_MAX = 128;
/** Addresses in `replication.replicas`. */
export const CONFIGURED_REPLICAS_MAX = 64;
/** Removed addresses that it remembers. */
export const REMOVED_REPLICAS_MAX = 512;
/** Entries in one Scan answer; also what `limit: 0` means is `SCAN_LIMIT_DEFAULT`. */
export const SCAN_LIMIT_MAX = 10_000;
export const SCAN_LIMIT_DEFAULT = 100;
/** Default of `server.max_value_bytes`: 8 MiB. */
export const VALUE_BYTES_MAX_DEFAULT = 8 * 1_024 * 1_024;
/** Default of `replication.max_push_bytes`: 1 MiB. */
export const PUSH_BYTES_MAX_DEFAULT = 1_024 * 1_024;

const encoder = new TextEncoder();

/** Bytes of `text` in UTF-8, without building them where every character is ASCII-sized. */
export function utf8Length(text: string): number {
  const bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    if (text.charCodeAt(i) > 0x7f) return encoder.encode(text).length;
  }
  return bytes;
}

/** Throws `invalid_argument` unless `key` is 1 .. 1,024 bytes of well-formed Unicode. */
export function checkKey(key: string): void {
  if (key.length === 0) throw invalidArgument('key is empty: expected 1 to 1,024 bytes of UTF-8');
  if (!key.isWellFormed()) throw invalidArgument('key is ill-formed: expected UTF-8 without lone surrogates');
  const bytes = key.length > KEY_BYTES_MAX ? key.length : utf8Length(key);
  if (bytes > KEY_BYTES_MAX) {
    const size = utf8Length(key);
    throw invalidArgument(`key has ${size} bytes: expected at most ${KEY_BYTES_MAX}`, {
      limit: { name: 'key', max: KEY_BYTES_MAX, size },
    });
  }
}

/** Throws `invalid_argument` where the value is over `bytesMax`. */
export function checkValue(value: Uint8Array, bytesMax: number): void {
  if (value.length > bytesMax) {
    throw invalidArgument(
      `value has ${value.length} bytes: expected at most ${bytesMax} (server.max_value_bytes)`,
      { limit: { name: 'server.max_value_bytes', max: bytesMax, size: value.length } },
    );
  }
}

/** Throws `invalid_argument` where no node can have so many replicas: it could only run out of time. */
export function checkMinAcks(minAcks: number): number {
  if (minAcks > REPLICAS_MAX) {
    throw invalidArgument(`min_acks is ${minAcks}: expected at most ${REPLICAS_MAX}`);
  }
  return minAcks;
}

/** A key as logs and messages may show it: JSON-quoted and cut to 64 characters. */
export function quoteKey(key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  return JSON.stringify(shown.toWellFormed());
}
