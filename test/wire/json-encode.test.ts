import { create, fromJsonString, toJsonString } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BatchResponseSchema, GetResponseSchema, ScanResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { made, messageOf, SCHEMAS, whole } from '#test/wire/any-message.ts';
import { encodeJson } from '#wire/json-encode.ts';

describe('the JSON of a message', () => {
  it.each(SCHEMAS.map((schema) => [schema.typeName, schema] as const))(
    '%s: is that of toJsonString',
    (_name, schema) => {
      fc.assert(
        fc.property(messageOf(schema), fc.constantFrom(0, 5), (init, headroom) => {
          const message = made(schema, init);
          const bytes = whole(encodeJson(schema, message, {}, headroom));
          expect(bytes.subarray(headroom).toString()).toBe(toJsonString(schema, message));
        }),
        { numRuns: 40 },
      );
    },
  );

  it.each([0, 1, 2, 3, 1_023, 1_024, 1_025, 196_607, 196_608, 196_609, 600_000])(
    'is right for a value of %d bytes',
    (size) => {
      const value = Uint8Array.from({ length: size }, (_, i) => i * 31);
      const entries = [{ key: 'ä\u2028"\ud800', value }, { key: 'b' }, { key: 'c', value }];
      const message = create(ScanResponseSchema, { entries, nextCursor: 'n' });
      const text = whole(encodeJson(ScanResponseSchema, message, {}, 0)).toString();
      expect(text === toJsonString(ScanResponseSchema, message)).toBe(true);
    },
  );

  it('is written in slices where its list is long, and can be read again', () => {
    const results = Array.from({ length: 5_000 }, () => ({
      result: { case: 'error' as const, value: { code: 'aborted', message: 'm'.repeat(200) } },
    }));
    const message = create(BatchResponseSchema, { results });
    const slices = encodeJson(BatchResponseSchema, message, {}, 0);
    expect(slices.next().done).toBe(false);
    expect(fromJsonString(BatchResponseSchema, whole(slices).toString())).toEqual(message);
  });

  it.each([
    [{ found: 'yes' }],
    [{ stalenessMs: 'none' }],
    [{ expireAtMs: 1.5 }],
    [{ value: 'text' }],
    [{ version: { $typeName: 'walnut.v1.GetResponse' } }],
    [{ $typeName: 'walnut.v1.SetResponse' }],
  ])('of %o is what toJsonString makes of it, or its error', (wrong) => {
    const message = Object.assign(create(GetResponseSchema), wrong);
    const outcome = (write: () => string): string => {
      try {
        return write();
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(outcome(() => whole(encodeJson(GetResponseSchema, message, {}, 0)).toString())).toBe(
      outcome(() => toJsonString(GetResponseSchema, message)),
    );
  });
});
