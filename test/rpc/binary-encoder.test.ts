import {
  create,
  type DescField,
  type DescMessage,
  type MessageShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { file_grpc_health_v1_health } from '#gen/grpc/health/v1/health_pb.ts';
import { file_walnut_v1_admin } from '#gen/walnut/v1/admin_pb.ts';
import {
  BatchResponseSchema,
  file_walnut_v1_kv_store,
  GetResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { file_walnut_v1_replication } from '#gen/walnut/v1/replication_pb.ts';
import { encodeBinary } from '#rpc/unary/binary-encoder.ts';

const SCHEMAS: readonly DescMessage[] = [
  file_walnut_v1_kv_store,
  file_walnut_v1_admin,
  file_walnut_v1_replication,
  file_grpc_health_v1_health,
].flatMap(({ messages }) => messages.flatMap((message) => [message, ...message.nestedMessages]));

const MESSAGE_DEPTH_MAX = 3;

function scalarOf(scalar: ScalarType): fc.Arbitrary<unknown> {
  switch (scalar) {
    case ScalarType.STRING:
      return fc.oneof(fc.constant(''), fc.string({ unit: 'grapheme', maxLength: 200 }));
    case ScalarType.BYTES:
      return fc.oneof(
        fc.uint8Array({ maxLength: 20 }),
        fc.nat(40_000).map((size) => new Uint8Array(size)),
      );
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case ScalarType.INT64:
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case ScalarType.INT32:
      return fc.integer();
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return fc.integer();
    default:
      return fc.integer({ min: 0, max: 2 ** 32 - 1 });
  }
}

function valuesOf(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message !== undefined) return messageOf(field.message, depth + 1);
  if (field.enum !== undefined)
    return fc.constantFrom(...field.enum.values.map(({ number }) => number), 77, -1);
  return scalarOf(field.scalar as ScalarType);
}

/** Every field absent, zero or anything of its type. */
function messageOf(schema: DescMessage, depth = 0): fc.Arbitrary<Record<string, unknown>> {
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  const oneofs: Record<string, fc.Arbitrary<unknown>[]> = {};
  for (const field of schema.fields) {
    if (depth >= MESSAGE_DEPTH_MAX && field.message !== undefined) continue;
    if (field.fieldKind === 'map') {
      fields[field.localName] = fc.dictionary(fc.string({ maxLength: 5 }), valuesOf(field, depth), {
        maxKeys: 3,
      });
    } else if (field.fieldKind === 'list') {
      fields[field.localName] = fc.array(valuesOf(field, depth), { maxLength: 4 });
    } else if (field.oneof === undefined) {
      fields[field.localName] = valuesOf(field, depth);
    } else {
      const choice = valuesOf(field, depth).map((value) => ({ case: field.localName, value }));
      oneofs[field.oneof.localName] = [...(oneofs[field.oneof.localName] ?? []), choice];
    }
  }
  for (const [name, choices] of Object.entries(oneofs)) fields[name] = fc.oneof(...choices);
  return fc.record(fields, { requiredKeys: [] });
}

const made = (schema: DescMessage, init: Record<string, unknown>): MessageShape<DescMessage> =>
  create(schema, init as never);

describe('the bytes of a message', () => {
  it.each(SCHEMAS.map((schema) => [schema.typeName, schema] as const))(
    '%s: are those of toBinary',
    (_name, schema) => {
      fc.assert(
        fc.property(messageOf(schema), fc.constantFrom(0, 5), (init, headroom) => {
          const message = made(schema, init);
          const bytes = encodeBinary(schema, message, headroom);
          expect(bytes.subarray(headroom).equals(toBinary(schema, message))).toBe(true);
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
      }
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
