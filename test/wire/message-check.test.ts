import { create, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestoreRequestSchema } from '#gen/walnut/v1/admin_pb.ts';
import { BatchRequestSchema, GetRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { RegisterRequestSchema, ReplicateRequestSchema } from '#gen/walnut/v1/replication_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { checkMessage, TEXT_BYTES_MAX } from '#wire/message-check.ts';

const MANY = 1_000_000;

/** Objects and list elements that decoding made, unknown fields included: none is free. */
function madeBy(value: unknown): number {
  if (value instanceof Uint8Array) return 0;
  if (Array.isArray(value)) return value.reduce((sum: number, each) => sum + 1 + madeBy(each), 0);
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce((sum: number, each) => sum + madeBy(each), 0);
}

function refusal(run: () => unknown): WalnutError | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof WalnutError) return error;
    throw error;
  }
  return undefined;
}

const SCHEMAS = [
  BatchRequestSchema,
  RestoreRequestSchema,
  SetRequestSchema,
  RegisterRequestSchema,
  ReplicateRequestSchema,
];

/** Tags and lengths that nest by chance, more often than noise does. */
const bytes = fc.array(
  fc.oneof(
    fc.constantFrom(0x0a, 0x12, 0x1a, 0x22, 0x0b, 0x0c, 0x7b, 0x7c, 0x32, 0x42, 0x80, 0xff, 0),
    fc.nat(16),
    fc.nat(255),
  ),
  { maxLength: 80 },
);

describe('checkMessage', () => {
  it('counts at least what decoding would make, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.constantFrom(...SCHEMAS), bytes, (schema, given) => {
        const request = Uint8Array.from(given);
        let message: MessageShape<typeof schema>;
        try {
          message = fromBinary(schema, request);
        } catch {
          return;
        }
        expect(checkMessage(schema, request, MANY)).toBeGreaterThanOrEqual(madeBy(message));
      }),
      { numRuns: 20_000 },
    );
  });

  it('counts each field of what is well-formed once', () => {
    const request = create(BatchRequestSchema, {
      operations: [
        { operation: { case: 'get', value: { key: 'k', atLeast: { epoch: 1n, lsn: 300n } } } },
        { operation: { case: 'set', value: { key: 'k', value: Buffer.alloc(1_000, 0x0a) } } },
      ],
    });
    // Two operations, their two kinds, two keys, a position with its two numbers, a value.
    expect(checkMessage(BatchRequestSchema, toBinary(BatchRequestSchema, request), MANY)).toBe(10);
  });

  it.each([
    ['empty operations', BatchRequestSchema, '0a00'],
    ['empty gets', BatchRequestSchema, '0a020a00'],
    ['empty changes', RestoreRequestSchema, '0a00'],
    ['unknown numbers', GetRequestSchema, '7800'],
    ['unknown texts', GetRequestSchema, '7a00'],
    ['unknown groups', GetRequestSchema, '7b7c'],
    ['nodes on the way up', RegisterRequestSchema, '3200'],
    ['addresses of a group', ReplicateRequestSchema, '52020a00'],
    ['fields within a group', GetRequestSchema, `7b${'7800'.repeat(200)}7c`],
  ])('refuses %s above the limit', (_, schema, hex) => {
    const request = Buffer.from(hex.repeat(101), 'hex');
    const error = refusal(() => checkMessage(schema, request, 100));
    expect(error).toMatchObject({
      code: 'resource_exhausted',
      message: 'the message has more than 100 fields: send less at once',
    });
  });

  it('refuses a text that no key or name may have, and takes bytes of any length', () => {
    const long = create(SetRequestSchema, { key: 'k'.repeat(TEXT_BYTES_MAX + 1) });
    const error = refusal(() => checkMessage(SetRequestSchema, toBinary(SetRequestSchema, long), MANY));
    expect(error).toMatchObject({ code: 'invalid_argument' });
    const large = create(SetRequestSchema, { key: 'k', value: new Uint8Array(TEXT_BYTES_MAX + 1) });
    expect(checkMessage(SetRequestSchema, toBinary(SetRequestSchema, large), 2)).toBe(2);
  });
});
