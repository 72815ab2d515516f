/** Encodes a key string and a value as the bytes that the store applies. */
import type { EncodedMutation, EncodedPair } from '#model/encoded.ts';
import { type Mutation, stated } from '#model/entry.ts';
import { assert } from '#platform/assert.ts';

export function encodePair(
  key: string,
  value: Uint8Array,
  expireAtMs: number,
  contentType = '',
): EncodedPair {
  assert(key.isWellFormed(), 'a key is well-formed');
  const keyBytes = Buffer.byteLength(key);
  const typeOffset = keyBytes + value.length;
  const bytes = Buffer.allocUnsafe(typeOffset + contentType.length);
  bytes.write(key);
  bytes.set(value, keyBytes);
  bytes.write(contentType, typeOffset, 'latin1');
  const type = { typeOffset, typeBytes: contentType.length };
  return {
    bytes,
    keyOffset: 0,
    keyBytes,
    valueOffset: keyBytes,
    valueBytes: value.length,
    expireAtMs,
    ...type,
  };
}

export function encodeMutation(mutation: Mutation): EncodedMutation {
  const { op, key, cause } = mutation;
  const { value, expireAtMs, contentType } = stated(mutation);
  return { op, cause, ...encodePair(key, value, expireAtMs, contentType) };
}
