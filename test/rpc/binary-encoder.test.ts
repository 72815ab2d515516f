import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchResponseSchema,
  GetResponseSchema,
  IncrementResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { encodeBinary, tryEncodeBinary } from '#rpc/unary/binary-encoder.ts';
import { encodeLargeBinary } from '#rpc/unary/large-binary.ts';
import { made, messageOf, SCHEMAS, whole } from '#test/wire/any-message.ts';

describe('the bytes of a message', () => {
  it.each(SCHEMAS.map((schema) => [schema.typeName, schema] as const))(
    '%s: are those of toBinary',
    (_name, schema) => {
      fc.assert(
        fc.property(messageOf(schema), fc.constantFrom(0, 5), (init, headroom) => {
          const message = made(schema, init);
          const bytes = encodeBinary(schema, message, headroom);
          expect(bytes.subarray(headroom).equals(toBinary(schema, message))).toBe(true);
          const sliced = whole(encodeLargeBinary(schema, message, headroom));
          expect(sliced.subarray(headroom).equals(toBinary(schema, message))).toBe(true);
        }),
        { numRuns: 40 },
      );
    },
  );

  it.each([127, 128, 16_383, 16_384, 65_000, 1_048_000, 1_048_600, 3_000_000])(
    'are right where a nested message has about %d bytes',
    (size) => {
      for (const bytes of [size - 12, size - 8, size, size + 1]) {
        const init = {
          results: [
            { result: { case: 'get' as const, value: { found: true, value: new Uint8Array(bytes) } } },
          ],
        };
        const message = create(BatchResponseSchema, init);
        expect(
          encodeBinary(BatchResponseSchema, message).equals(toBinary(BatchResponseSchema, message)),
        ).toBe(true);
        const sliced = whole(encodeLargeBinary(BatchResponseSchema, message, 3));
        expect(sliced.subarray(3).equals(toBinary(BatchResponseSchema, message))).toBe(true);
      }
    },
  );

  it.each([0n, 1n, -1n, 63n, -64n, 2n ** 52n - 1n, 1n - 2n ** 52n])(
    'of an IncrementResponse with %d are written here, not by toBinary',
    (value) => {
      const message = create(IncrementResponseSchema, { applied: true, value });
      const bytes = tryEncodeBinary(IncrementResponseSchema, message, 0);
      expect(bytes?.equals(toBinary(IncrementResponseSchema, message))).toBe(true);
      const larger = create(IncrementResponseSchema, { value: value < 0n ? -(2n ** 63n) : 2n ** 63n - 1n });
      expect(encodeBinary(IncrementResponseSchema, larger)).toEqual(
        Buffer.from(toBinary(IncrementResponseSchema, larger)),
      );
    },
  );

  it('stay as they were when the next message is written', () => {
    const first = encodeBinary(
      GetResponseSchema,
      create(GetResponseSchema, { value: new Uint8Array([1, 2, 3]) }),
    );
    const before = Buffer.from(first);
    encodeBinary(GetResponseSchema, create(GetResponseSchema, { value: new Uint8Array(500).fill(9) }));
    expect(first.equals(before)).toBe(true);
  });

  it('keep unknown fields', () => {
    const message = create(GetResponseSchema, { found: true });
    message.$unknown = [{ no: 99, wireType: 0, data: new Uint8Array([5]) }];
    expect(encodeBinary(GetResponseSchema, message).equals(toBinary(GetResponseSchema, message))).toBe(true);
  });

  it.each([
    [{ found: 'yes' }],
    [{ stalenessMs: 'none' }],
    [{ expireAtMs: 1.5 }],
    [{ value: 'text' }],
    [{ version: { $typeName: 'walnut.v1.GetResponse' } }],
    [{ $typeName: 'walnut.v1.SetResponse' }],
  ])('of %o are what toBinary makes of it, or its error', (wrong) => {
    const message = Object.assign(create(GetResponseSchema), wrong);
    const outcome = (write: () => Uint8Array): string => {
      try {
        return Buffer.from(write()).toString('hex');
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(outcome(() => encodeBinary(GetResponseSchema, message))).toBe(
      outcome(() => toBinary(GetResponseSchema, message)),
    );
  });
});
