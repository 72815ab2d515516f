/** Limits of requests and groups, and how keys are checked and shown. */
import { invalidArgument } from '#model/errors.ts';

/** Longest key, in bytes of UTF-8. */
export const KEY_BYTES_MAX = 1_024;
/** Longest request id, in characters; a UUID has 36. */
export const REQUEST_ID_CHARACTERS_MAX = 128;
/** Longest content type, in characters of ASCII. */
export const CONTENT_TYPE_CHARACTERS_MAX = 255;
/**
 * Most bytes of the values that one atomic batch sets, unless it is one value alone:
 * its record is built and applied in one turn of the event loop, which is to be done
 * within 50 ms.
 */
export const ATOMIC_BYTES_MAX = 16 * 1_024 * 1_024;
/** Most bytes of recently read keys that one ack reports. */
export const HOT_KEYS_BYTES_MAX = 4_096;
/** Operations in one Batch. */
export const BATCH_OPERATIONS_MAX = 1_000;
/** Most observers of one node. */
export const OBSERVERS_MAX = 1_024;
/** Most observers that Status lists, those furthest behind. */
export const OBSERVERS_TOLD_MAX = 64;
/** Most replicas of one node, and so the highest `min_acks`. */
export const REPLICAS_MAX = 64;
/** Most addresses of replicas that a master stores, besides those in its configuration. */
export const KNOWN_REPLICAS_MAX = 128;
/** Most addresses in `replication.replicas`. */
export const CONFIGURED_REPLICAS_MAX = 64;
/** Most removed addresses that a master stores. */
export const REMOVED_REPLICAS_MAX = 512;
/** Most calls that the slow log of a node keeps, some 300 bytes each. */
export const SLOW_CALLS_MAX = 10_000;
/** Most entries in one Scan answer; `limit: 0` means `SCAN_LIMIT_DEFAULT`. */
export const SCAN_LIMIT_MAX = 10_000;
export const SCAN_LIMIT_DEFAULT = 100;
/** Most entries that one DeletePrefix deletes; `limit: 0` means `DELETE_PREFIX_LIMIT_DEFAULT`. */
export const DELETE_PREFIX_LIMIT_MAX = 10_000;
export const DELETE_PREFIX_LIMIT_DEFAULT = 1_000;
/** The longest fill lease, in milliseconds. */
export const FILL_LEASE_MS_MAX = 60_000;
/** Longest token of a fill lease that is looked at; those that are given have 32 characters. */
export const FILL_TOKEN_CHARACTERS_MAX = 128;
/** Memory for all fill leases of a master, some 15,000 of short keys; the oldest ends first. */
export const FILL_LEASE_BYTES_MAX = 8 * 1_024 * 1_024;
/** Most callers that wait for a fill lease of another; further ones do not wait. */
export const FILL_WAITERS_MAX = 16_384;
/** How long a write waits for durability and `min_acks` if its `timeout_ms` is 0. */
export const RECEIPT_TIMEOUT_MS_DEFAULT = 5_000;
/** Default of `server.max_value_bytes`: 8 MiB. */
export const VALUE_BYTES_MAX_DEFAULT = 8 * 1_024 * 1_024;
/** Memory for the newest frames where nobody says how much: 32 MiB. */
export const RING_BYTES_MAX_DEFAULT = 32 * 1_024 * 1_024;
/** Default of `replication.max_push_bytes`: 1 MiB. */
export const PUSH_BYTES_MAX_DEFAULT = 1_024 * 1_024;

const encoder = new TextEncoder();

/** Length of `text` in UTF-8, computed without encoding it if it is all ASCII. */
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

/** Throws `invalid_argument` unless `prefix` is well-formed Unicode of at most 1,024 bytes; it may be empty. */
export function checkPrefix(prefix: string): string {
  if (!prefix.isWellFormed()) {
    throw invalidArgument('prefix is ill-formed: expected UTF-8 without lone surrogates');
  }
  const bytes = prefix.length > KEY_BYTES_MAX ? prefix.length : utf8Length(prefix);
  if (bytes > KEY_BYTES_MAX) {
    throw invalidArgument(`prefix has ${utf8Length(prefix)} bytes: expected at most ${KEY_BYTES_MAX}`);
  }
  return prefix;
}

/** Throws `invalid_argument` if the value is longer than `bytesMax`. */
export function checkValue(value: Uint8Array, bytesMax: number): void {
  if (value.length > bytesMax) {
    throw invalidArgument(
      `value has ${value.length} bytes: expected at most ${bytesMax} (server.max_value_bytes)`,
      { limit: { name: 'server.max_value_bytes', max: bytesMax, size: value.length } },
    );
  }
}

/** Throws `invalid_argument` if no node can have so many replicas, so that the wait could only time out. */
export function checkMinAcks(minAcks: number): number {
  if (minAcks > REPLICAS_MAX) {
    throw invalidArgument(`min_acks is ${minAcks}: expected at most ${REPLICAS_MAX}`);
  }
  return minAcks;
}

/** Formats a key for logs and messages: JSON-quoted and cut to 64 characters. */
export function quoteKey(key: string): string {
  const shown = key.length > 64 ? `${key.slice(0, 64)}…` : key;
  return JSON.stringify(shown.toWellFormed());
}

/** Connections of clients to one node, whatever the limit of open files: each takes memory, too. */
export const CONNECTIONS_MAX = 20_000;
