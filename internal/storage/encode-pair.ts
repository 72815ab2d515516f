/** Encodes a key string and a value as the bytes that the store applies. */
import { type EncodedMutation, type EncodedPair, type Mutation, stated } from '#model/entry.ts';
import { assert } from '#platform/assert.ts';

export function encodePair(key: string, value: Uint8Array, expireAtMs: number): EncodedPair {
  assert(key.isWellFormed(), 'a key is well-formed');
  const keyBytes = Buffer.byteLength(key);
  const bytes = Buffer.allocUnsafe(keyBytes + value.length);
  bytes.write(key);
  bytes.set(value, keyBytes);
  return { bytes, keyOffset: 0, keyBytes, valueOffset: keyBytes, valueBytes: value.length, expireAtMs };
}

export function encodeMutation(mutation: Mutation): EncodedMutation {
  const { op, key, cause } = mutation;
  const { value, expireAtMs } = stated(mutation);
  return { op, cause, ...encodePair(key, value, expireAtMs) };
}
