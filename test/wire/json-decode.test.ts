import {
  create,
  type DescMessage,
  equals,
  fromJsonString,
  type MessageShape,
  toJsonString,
} from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RestoreRequestSchema } from '#gen/walnut/v1/admin_pb.ts';
import { BatchRequestSchema, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { whole } from '#test/wire/any-message.ts';
import { decodeJson } from '#wire/json-decode.ts';

const FIELDS_MAX = 1_000;
const OPTIONS = { ignoreUnknownFields: false, textDecoder: new TextDecoder('utf-8', { fatal: true }) };
const LARGE = Buffer.alloc(90_000, 'large value');

const decode = (schema: DescMessage, json: string | Buffer): MessageShape<DescMessage> =>
  whole(decodeJson(schema, Buffer.from(json), FIELDS_MAX, OPTIONS));

describe('a request in JSON', () => {
  const value = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.constant(LARGE));

  it('is what the schema reads in it, large values or not', () => {
    const key = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
    const operation = fc.record({ key, value, kind: fc.constantFrom('set', 'get', 'delete') });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 4 }), (given) => {
        const message = create(BatchRequestSchema, {
          operations: given.map(({ key, value, kind }) => ({
            operation:
              kind === 'set'
                ? { case: kind, value: { key, value } }
                : { case: kind as 'get', value: { key } },
          })),
        });
        const read = decode(
          BatchRequestSchema,
          toJsonString(BatchRequestSchema, message, { prettySpaces: 2 }),
        );
        expect(equals(BatchRequestSchema, read as typeof message, message)).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it('of a restore has its values too', () => {
    const change = { case: 'set' as const, value: { value: LARGE, expireAtMs: 7n } };
    const message = create(RestoreRequestSchema, {
      changes: [
        { key: 'a', change },
        { key: 'b', change },
      ],
    });
    const json = Buffer.from(toJsonString(RestoreRequestSchema, message));
    const read = decode(RestoreRequestSchema, json) as typeof message;
    expect(equals(RestoreRequestSchema, read, message)).toBe(true);
  });

  const text = LARGE.toString('base64');

  it.each(['\\u00g2', '\\u 062', '\\u00'])('refuses a large value with the escape %s', (written) => {
    const json = `{"key": "k", "value": "${text.replace('b', written)}"}`;
    expect(() => decode(SetRequestSchema, json)).toThrow('cannot decode');
  });

  it.each([
    ['without padding', text.replace(/=+$/, '')],
    ['in the alphabet of URLs', Buffer.alloc(90_001, 0xfb).toString('base64url')],
    ['with escaped slashes', Buffer.alloc(90_000, 0xff).toString('base64').replaceAll('/', '\\/')],
    ['with escaped units', text.replaceAll('b', '\\u0062').replaceAll('=', '\\u003D')],
    ['with escaped line ends', text.replace(/.{76}/g, '$&\\r\\n')],
    ['that is no base64', `${text.slice(0, -4)}a!==`],
    ['that ends too early', `${text.slice(0, -4)}a`],
    ['with an escape that is none', text.replace('b', '\\b')],
    ['with an escaped letter beyond ASCII', text.replace('b', '\\u0162')],
  ])('has a large value %s where the schema reads one', (_, base64) => {
    const json = `{"key": "k", "value": "${base64}"}`;
    const attempt = (read: () => unknown): unknown => {
      try {
        return read();
      } catch (error) {
        return (error as Error).message;
      }
    };
    const expected = attempt(() => fromJsonString(SetRequestSchema, json, OPTIONS));
    const given = attempt(() => decode(SetRequestSchema, json));
    if (typeof expected === 'string') expect(given).toBe(expected);
    else expect(equals(SetRequestSchema, given as never, expected as never)).toBe(true);
  });

  it('has no large value that is mostly escaped blanks, which cost more than they say', () => {
    const json = `{"key":"k","value":"${'\\nA'.repeat(40_000)}"}`;
    expect(() => decode(SetRequestSchema, json)).toThrow('invalid base64 string');
  });

  it('has no value where it is null', () => {
    const two = `{"operations":[{"set":{"key":"a","value":"${text}"}},{"set":{"key":"b","value":null}}]}`;
    expect(decode(BatchRequestSchema, two)).toMatchObject({
      operations: [
        { operation: { value: { value: LARGE } } },
        { operation: { value: { value: new Uint8Array(0) } } },
      ],
    });
  });

  it.each([
    ['objects', `{"operations":[${'{},'.repeat(FIELDS_MAX)}{}]}`, 'more than 1000 fields'],
    ['lists', `{"operations":[${'[],'.repeat(FIELDS_MAX)}[]]}`, 'more than 1000 fields'],
    ['levels', `{"operations":${'['.repeat(33)}${']'.repeat(33)}}`, 'deeper than any request'],
    ['blanks', `{${' '.repeat(64 * FIELDS_MAX)}}`, 'more than 64000 bytes beside its values'],
    ['digits', `{"operations":${'9'.repeat(64 * FIELDS_MAX)}}`, 'more than 64000 bytes beside its values'],
    ['short texts', `{"a":[${'"abcdefghijklmnopqrstuvw",'.repeat(2_700)}1]}`, 'more than'],
    ['a long text', `{"operations":[{"get":{"key":"${'9'.repeat(8_193)}"}}]}`, 'longer than 8192 bytes'],
    ['a long escaped text', `{"key":"${'\\"'.repeat(5_000)}"}`, 'longer than 8192 bytes'],
    ['a quote in a value', '{"value":"a\\"b"}', 'a bytes field is no base64'],
    ['a name in disguise', `{"\\u0076alue":"${text}"}`, 'a name of a field has an escape'],
  ])('with too many %s is refused before it is parsed', (_, json, message) => {
    expect(() => decode(BatchRequestSchema, json)).toThrow(message);
  });
});
