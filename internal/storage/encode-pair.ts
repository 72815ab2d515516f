/** Encodes a key string and a value as the bytes that the store applies. */
import { type EncodedMutation, type EncodedPair, type Mutation, NEVER } from '#model/entry.ts';
import { assert } from '#platform/assert.ts';

const NO_VALUE = new Uint8Array(0);

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
  const [value, expireAtMs] = op === 'set' ? [mutation.value, mutation.expireAtMs] : [NO_VALUE, NEVER];
  return { op, cause, ...encodePair(key, value, expireAtMs) };
}
