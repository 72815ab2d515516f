import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchOperationSchema, BatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { messageOf } from '#test/wire/any-message.ts';
import { type AtomicOperation, type Operation, sizeOf, toMessage } from '../../client/operations.ts';

const RUNS = Number(process.env['WALNUT_CLIENT_RUNS'] ?? 300);

function bytesInRequest(operation: Operation): number {
  return toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations: [{ operation }] })).length;
}

describe('the size of an operation', () => {
  it('is never less than its bytes in the request', () => {
    fc.assert(
      fc.property(messageOf(BatchOperationSchema), (init) => {
        const { operation } = create(BatchOperationSchema, init);
        expect(sizeOf(operation)).toBeGreaterThanOrEqual(bytesInRequest(operation));
      }),
      { numRuns: RUNS },
    );
  });

  it('counts the longest content type', () => {
    const { operation } = toMessage({
      set: { key: 'k', value: new Uint8Array(), contentType: `text/${'x'.repeat(250)}` },
    });
    expect(sizeOf(operation)).toBeGreaterThanOrEqual(bytesInRequest(operation));
  });
});

describe('an operation of an atomic batch', () => {
  it.each([
    ['no kind', {}, 'operation has 0 kinds: expected one of get, set, delete, increment, touch'],
    ['an unknown kind', { append: { key: 'k' } }, 'operation of kind "append": expected one of get, set,'],
    ['two kinds', { get: { key: 'k' }, touch: { key: 'k' } }, 'operation has 2 kinds: expected one of'],
  ])('of %s is refused by name', (_, operation, message) => {
    expect(() => toMessage(operation as unknown as AtomicOperation)).toThrow(message);
  });

  it.each(BatchOperationSchema.fields.map(({ localName }) => localName))('may be %s', (kind) => {
    const message = toMessage({
      [kind]: { key: 'k', ...(kind === 'set' ? { value: new Uint8Array() } : {}) },
    } as unknown as AtomicOperation);
    expect(message.operation).toMatchObject({ case: kind, value: { key: 'k' } });
  });
});
