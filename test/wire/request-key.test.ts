import { create, type DescMessage, toBinary, toJsonString } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  AwaitDurableRequestSchema,
  BatchRequestSchema,
  DeletePrefixRequestSchema,
  GetRequestSchema,
  ScanRequestSchema,
  SetRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { keyInBinary, keyInJson, REQUEST_HEAD_BYTES } from '#wire/request-key.ts';

const KEY = 'k"ü\n'.repeat(100);
const value = new Uint8Array(5_000).fill(10);
const twoSets = [0, 1].map((n) => ({
  operation: { case: 'set' as const, value: { key: `${KEY}${n}`, value } },
}));

describe('the key of a request, in the beginning of its bytes', () => {
  it.each<[string, DescMessage, Record<string, unknown>, string | undefined]>([
    ['of a Get', GetRequestSchema, { key: KEY }, KEY],
    ['of a Set with a large value', SetRequestSchema, { key: KEY, value }, KEY],
    ['of the longest key', SetRequestSchema, { key: 'k'.repeat(1_024), value }, 'k'.repeat(1_024)],
    ['the prefix of a Scan', ScanRequestSchema, { prefix: 'user:', limit: 3 }, 'user:'],
    ['the prefix of a DeletePrefix', DeletePrefixRequestSchema, { prefix: 'user:' }, 'user:'],
    ['the first of a Batch', BatchRequestSchema, { operations: twoSets }, `${KEY}0`],
    ['none where it is empty', GetRequestSchema, { waitMs: 3 }, undefined],
    ['none of a Scan of everything', ScanRequestSchema, { cursor: 'c' }, undefined],
    ['none in a position', AwaitDurableRequestSchema, { position: { epoch: 1n, lsn: 2n } }, undefined],
  ])('%s', (_name, schema, message, key) => {
    const request = create(schema, message);
    const binary = Buffer.from(toBinary(schema, request)).subarray(0, REQUEST_HEAD_BYTES);
    expect(keyInBinary(schema, binary)).toBe(key);
    expect(keyInJson(Buffer.from(toJsonString(schema, request)))).toBe(key);
  });

  it('is none in bytes that are no request', () => {
    for (const text of [
      '',
      '\u0000',
      '\u000a',
      '\u000a\u00ff\u00ff',
      '{"key":',
      '{"key":"\\x"}',
      '\u0008\u0001',
    ]) {
      expect(keyInBinary(GetRequestSchema, Buffer.from(text, 'latin1')) ?? '').toBe('');
      expect(keyInJson(Buffer.from(text))).toBeUndefined();
    }
  });
});
