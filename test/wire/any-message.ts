/** Random messages of every schema. */
import { create, type DescField, type DescMessage, type MessageShape, ScalarType } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { file_grpc_health_v1_health } from '#gen/grpc/health/v1/health_pb.ts';
import { file_walnut_v1_admin } from '#gen/walnut/v1/admin_pb.ts';
import { file_walnut_v1_kv_store } from '#gen/walnut/v1/kv_store_pb.ts';
import { file_walnut_v1_replication } from '#gen/walnut/v1/replication_pb.ts';
import type { Slices } from '#platform/slices.ts';

/** Every message of the wire. */
export const SCHEMAS: readonly DescMessage[] = [
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
export function messageOf(schema: DescMessage, depth = 0): fc.Arbitrary<Record<string, unknown>> {
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

export const made = (schema: DescMessage, init: Record<string, unknown>): MessageShape<DescMessage> =>
  create(schema, init as never);

/** All slices at once. */
export function whole<T>(slices: Slices<T>): T {
  for (;;) {
    const step = slices.next();
    if (step.done === true) return step.value;
  }
}
