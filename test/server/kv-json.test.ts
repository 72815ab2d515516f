/**
 * Single calls in JSON without messages: the shorter way answers what the general one
 * does, byte for byte, or leaves the request to it with nothing done.
 */
import { create, type DescMessage, type MessageShape, toJson, toJsonString } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DeleteRequestSchema,
  DeleteResponseSchema,
  GetRequestSchema,
  GetResponseSchema,
  IncrementRequestSchema,
  IncrementResponseSchema,
  SetRequestSchema,
  SetResponseSchema,
  TouchRequestSchema,
  TouchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { BulkPort, ReadMoment } from '#model/bulk.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { FEW } from '#rpc/rpc-routes.ts';
import { settled } from '#test/doubles/settled.ts';
import { badKey, key, type Operation, operationsOf } from '#test/server/byte-operations.ts';
import { FakeNode } from '#test/server/fake-node.ts';
import { whole } from '#test/wire/any-message.ts';
import { JsonCalls } from '#wire/json-calls.ts';
import { decodeJson } from '#wire/json-decode.ts';
import { type Caller, KeyValueCalls } from '#wire/kv-calls.ts';
import * as codec from '#wire/kv-codec.ts';

const RUNS = Number(process.env['WALNUT_FUZZ_JSON'] ?? 100);
const VALUE_BYTES_MAX = 400;
const HEADROOM = 5;
const READING = { ignoreUnknownFields: false, textDecoder: new TextDecoder('utf-8', { fatal: true }) };
/** A Set without its key and value. */
const SET = {
  expiry: { kind: 'default' },
  returnPrevious: false,
  durability: undefined,
  minAcks: 0,
  timeoutMs: 0,
} as const;
const CALLER: Caller = { hasDeadline: false, signal: new AbortController().signal };

type Name = 'get' | 'set' | 'delete' | 'increment' | 'touch';
type Port = Pick<KeyValuePort, Name>;

interface Method {
  readonly input: DescMessage;
  readonly output: DescMessage;
  readonly carryOut: (port: Port, request: never) => Promise<unknown>;
}

const METHODS: Readonly<Record<Name, Method>> = {
  get: {
    input: GetRequestSchema,
    output: GetResponseSchema,
    carryOut: async (port, request) => codec.fromGetAnswer(await port.get(codec.toGetCommand(request))),
  },
  set: {
    input: SetRequestSchema,
    output: SetResponseSchema,
    carryOut: async (port, request) =>
      codec.fromSetAnswer(await port.set(codec.toSetCommand(request, VALUE_BYTES_MAX))),
  },
  delete: {
    input: DeleteRequestSchema,
    output: DeleteResponseSchema,
    carryOut: async (port, request) =>
      codec.fromDeleteAnswer(await port.delete(codec.toDeleteCommand(request))),
  },
  increment: {
    input: IncrementRequestSchema,
    output: IncrementResponseSchema,
    carryOut: async (port, request) =>
      codec.fromIncrementAnswer(await port.increment(codec.toIncrementCommand(request))),
  },
  touch: {
    input: TouchRequestSchema,
    output: TouchResponseSchema,
    carryOut: async (port, request) => codec.fromTouchAnswer(await port.touch(codec.toTouchCommand(request))),
  },
};

interface Request {
  readonly name: Name;
  readonly json: Buffer;
}

/** The answer as text, or how the request was refused. */
async function byMessages({ ports }: FakeNode, { name, json }: Request): Promise<string> {
  const { input, output, carryOut } = METHODS[name];
  try {
    const request = whole(decodeJson(input, json, FEW.fieldsMax, READING));
    const answer = await carryOut(ports.keyValue, request as never);
    return toJsonString(output, answer as MessageShape<DescMessage>);
  } catch (error) {
    return String(error);
  }
}

/** Undefined where the request is left to the general way. */
async function byBytes(calls: KeyValueCalls, { name, json }: Request): Promise<string | undefined> {
  try {
    const answer = await settled(calls[name](json, CALLER, HEADROOM));
    return answer?.toString('utf8', HEADROOM);
  } catch (error) {
    return String(error);
  }
}

function callsOf({ ports }: FakeNode, bulk = ports.bulk): KeyValueCalls {
  return new KeyValueCalls(ports.keyValue, bulk, new JsonCalls(VALUE_BYTES_MAX));
}

/** Sends the requests to two nodes that are alike, and returns how many the shorter way took. */
async function sameAnswers(requests: readonly Request[]): Promise<number> {
  const [general, short] = [new FakeNode(), new FakeNode()];
  const calls = callsOf(short);
  let taken = 0;
  for (const request of requests) {
    const asked = short.calls.length;
    const expected = await byMessages(general, request);
    const answer = await byBytes(calls, request);
    if (answer === undefined) {
      expect(short.calls.slice(asked).filter(({ port }) => port !== 'moment')).toEqual([]);
      await byMessages(short, request);
      continue;
    }
    taken++;
    expect([request.json.toString(), answer]).toEqual([request.json.toString(), expected]);
  }
  expect([...short.entries]).toEqual([...general.entries]);
  expect(short.lsn).toBe(general.lsn);
  return taken;
}

/** How one caller writes what all callers mean. */
interface Style {
  readonly hasProtoNames: boolean;
  readonly hasNumbers: boolean;
  readonly base64: 'padded' | 'bare' | 'url';
  readonly blanks: string;
  readonly isReversed: boolean;
}

const style: fc.Arbitrary<Style> = fc.record({
  hasProtoNames: fc.boolean(),
  hasNumbers: fc.boolean(),
  base64: fc.constantFrom('padded', 'bare', 'url'),
  blanks: fc.constantFrom('', ' ', '\n\t', '\r\n  '),
  isReversed: fc.boolean(),
});

function write(value: unknown, by: Style, name = ''): string {
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([each, one]) => `${by.blanks}"${each}"${by.blanks}:${by.blanks}${write(one, by, each)}${by.blanks}`,
    );
    return `{${(by.isReversed ? members.reverse() : members).join(',')}}`;
  }
  const isNumber = typeof value === 'string' && name !== 'key' && /^-?\d{1,15}$/.test(value);
  if (by.hasNumbers && isNumber) return String(value);
  if (name !== 'value' || by.base64 === 'padded') return JSON.stringify(value);
  const bare = String(value).replace(/=+$/, '');
  return `"${by.base64 === 'url' ? bare.replaceAll('+', '-').replaceAll('/', '_') : bare}"`;
}

function requestOf({ operation }: Operation, by: Style): Request | undefined {
  if (operation?.case === undefined) return undefined;
  const name = operation.case;
  const { input } = METHODS[name];
  const message = create(input, operation.value as never);
  const value = toJson(input, message, { useProtoFieldName: by.hasProtoNames });
  return { name, json: Buffer.from(`${by.blanks}${write(value, by)}${by.blanks}`) };
}

function requestsOf(operation: fc.Arbitrary<Operation>): fc.Arbitrary<Request> {
  return fc
    .tuple(operation, style)
    .map(([one, by]) => requestOf(one, by))
    .filter((request) => request !== undefined);
}

const good = requestsOf(operationsOf(key).plain);
const mixed = requestsOf(
  operationsOf(fc.oneof({ weight: 9, arbitrary: key }, { weight: 1, arbitrary: badKey })).any,
);

const VALUE = /"value"\s*:\s*"[^"]*"/;
/** What JSON and its decoder give a meaning that is not plain. */
const TWISTS: readonly (readonly [string | RegExp, string])[] = [
  ['"key"', '"\\u006bey"'],
  ['"key"', '"key":"b","key"'],
  ['"key"', '"unknown":1,"key"'],
  ['"key"', '"ttl_ms":"5","key"'],
  ['"key"', '"ttlMs":null,"key"'],
  ['"key"', '"durability":"DURABILITY_LOCAL","key"'],
  ['"key"', '"durability":2,"minAcks":1,"key"'],
  ['"key"', '"expireAtMs":1e3,"key"'],
  ['"key"', '"expire_at_ms":"0007","key"'],
  ['"key"', '"expireAtMs":0007,"key"'],
  ['"key"', '"expireAtMs":-0,"key"'],
  ['"key"', '"expireAtMs":"9007199254740993","key"'],
  ['"key"', '"ttlMs":9007199254740991,"key"'],
  ['"key"', '"expireAtMs":"-0","key"'],
  ['"key"', '"waitMs":" 5","key"'],
  ['"key"', '"wait_ms":5.0,"key"'],
  ['"key"', '"waitMs":60001,"key"'],
  ['"key"', '"atLeast":{},"key"'],
  ['"key"', '"atLeast":{"epoch":9007199254740992,"lsn":1},"key"'],
  ['"key"', '"at_least":{"epoch":"9007199254740991","lsn":"1"},"key"'],
  ['"key"', '"atLeast":{"lsn":1,"lsn":2},"key"'],
  ['"key"', '"delta":"-9223372036854775808","key"'],
  ['"key"', '"delta":-9007199254740991,"key"'],
  ['"key"', '"initial":true,"key"'],
  [VALUE, '"value":""'],
  [VALUE, '"value":"QQ==QUJD"'],
  [VALUE, '"value":"QUJD="'],
  [VALUE, '"value":"QUJDR"'],
  [VALUE, `"value":"${'QUJD'.repeat(70)}R"`],
  [VALUE, '"value":"QU JD"'],
  [VALUE, '"value":"Q\\/+-_w=="'],
  [VALUE, '"value":"QR"'],
  [VALUE, '"value":1'],
  [VALUE, '"value":"A"'],
  [VALUE, '"value":"="'],
  [VALUE, '"value":"QQ==="'],
  [VALUE, '"value":"QQ","value":"QQ"'],
  ['"key"', '"__proto__":{},"key"'],
  [':', ':"\\ud83d\\ude00","key":'],
  [':"', ':"\\ud83d'],
  [':"', ':"\\u0062\\n'],
  [':"', ':"\\"'],
  [':"', ':"\u0001'],
  [':"', ':"\u2028\u007f'],
  [':"', ':"\u0080'],
  ['"', ''],
  ['{', '\u{feff}{'],
  ['{', '[{'],
  ['{', '{{'],
  ['{', '{,'],
  ['}', ',}'],
  ['}', '}}'],
  ['}', '} x'],
  ['}', '}\u000b'],
  ['}', '}\u00a0'],
];

/** Plain requests, one of each kind without its optional fields and one with them. */
const PLAIN: readonly (readonly [Name, string])[] = [
  ['get', '{"key":"a"}'],
  ['get', '{"key":"b","atLeast":{"epoch":"1","lsn":"1"},"waitMs":5}'],
  ['get', '{"key":"b","atLeast":{ }}'],
  ['set', '{"key":"a","value":"dmFsdWU="}'],
  ['set', '{"value":"","ttlMs":"60000","key":"a"}'],
  ['delete', '{"key":"a"}'],
  ['increment', '{"key":"n"}'],
  ['increment', '{"key":"n","delta":"-2","initial":"7","expireAtMs":"0"}'],
  ['touch', '{"key":"a","ttlMs":"5"}'],
];

const twisted = PLAIN.flatMap(([name, json]) =>
  TWISTS.map(([text, instead]): Request => ({ name, json: Buffer.from(json.replace(text, () => instead)) })),
);

const spoilt = fc
  .tuple(mixed, mixed, fc.nat(), fc.nat(), fc.nat(255), fc.constantFrom('cut', 'insert', 'alter', 'repeat'))
  .map(([{ name, json }, { json: other }, a, b, byte, how]) => {
    const at = a % (json.length + 1);
    const to = at + (b % (json.length - at + 1));
    const parts = {
      cut: [json.subarray(0, at), json.subarray(to)],
      insert: [json.subarray(0, at), other.subarray(0, b % (other.length + 1)), json.subarray(at)],
      alter: [json.subarray(0, at), Buffer.from([byte]), json.subarray(at + 1)],
      repeat: [json.subarray(0, to), json.subarray(at, to), json.subarray(to)],
    };
    return { name, json: Buffer.concat(parts[how as keyof typeof parts]) };
  });

const SEEDED: readonly Request[] = ['a', 'b', '鍵'].map((one) => ({
  name: 'set',
  json: Buffer.from(`{"key":"${one}","value":"dmFsdWU="}`),
}));

/** The shorter way leaves what has a name to the general one, and what may be answered with an entry. */
function asksForMore({ json }: Request): boolean {
  return /return_?[PpVv]|if_?[AaPp]|client_?[Ii]d/.test(json.toString());
}

describe('single calls in plain JSON', () => {
  it('are taken in every plain form, and answered with the same bytes', async () => {
    let found = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(good, { minLength: 1, maxLength: 8 }), async (requests) => {
        const plain = [...SEEDED, ...requests.filter((request) => !asksForMore(request))];
        expect(await sameAnswers(plain)).toBe(plain.length);
        found += plain.filter(({ name }) => name === 'get').length;
      }),
      { numRuns: RUNS },
    );
    expect(found).toBeGreaterThan(RUNS / 2);
  });

  it('answer nothing else than the general way, where they are bad, odd or ask for more', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(mixed, { minLength: 1, maxLength: 8 }), async (requests) => {
        await sameAnswers([...SEEDED, ...requests]);
      }),
      { numRuns: RUNS },
    );
  });

  it('answer nothing else than the general way for what JSON allows beside the plain form', async () => {
    for (const request of twisted) await sameAnswers([...SEEDED, request]);
    const plain = PLAIN.map(([name, json]): Request => ({ name, json: Buffer.from(json) }));
    expect(await sameAnswers([...SEEDED, ...plain])).toBe(SEEDED.length + plain.length);
  });

  it('answer nothing else than the general way for bytes that were cut, repeated, moved or altered', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(spoilt, { minLength: 1, maxLength: 8 }), async (requests) => {
        await sameAnswers([...SEEDED, ...requests]);
      }),
      { numRuns: 2 * RUNS },
    );
  });

  it.each<readonly [string, Request]>([
    ['a Get that must wait', { name: 'get', json: Buffer.from('{"key":"a","atLeast":{"lsn":"9"}}') }],
    ['a Get of a long value', { name: 'get', json: Buffer.from('{"key":"long"}') }],
    ['a long request', { name: 'set', json: Buffer.from(`{"key":"a","value":""}${' '.repeat(65_536)}`) }],
    ['a Touch without a deadline', { name: 'touch', json: Buffer.from('{"key":"a"}') }],
  ])('leave %s to the general way', async (_, request) => {
    const node = new FakeNode();
    const value = Buffer.alloc(65_537);
    await node.ports.keyValue.set({ ...SET, key: 'long', value });
    const bulk = node.ports.bulk as BulkPort;
    const moment = (): ReadMoment => ({ ...bulk.moment(), includes: ({ lsn }) => lsn < 9 });
    const asked = node.calls.length;
    expect(await byBytes(callsOf(node, { ...bulk, moment }), request)).toBeUndefined();
    expect(node.calls.slice(asked).filter(({ port }) => port !== 'moment')).toEqual([]);
  });

  it('make Sets by commands where there is no bulk port, and leave it to the general way to read', async () => {
    const { ports, calls } = new FakeNode();
    const short = new KeyValueCalls(ports.keyValue, undefined, new JsonCalls(VALUE_BYTES_MAX));
    expect(await byBytes(short, SEEDED[0] as Request)).toContain('"applied":true');
    expect(calls.map(({ port }) => port)).toEqual(['set']);
    expect(await byBytes(short, { name: 'get', json: Buffer.from('{"key":"a"}') })).toBeUndefined();
  });

  it('give a command its own bytes, since the next request is read into the same ones', async () => {
    const given: Uint8Array[] = [];
    const { ports } = new FakeNode();
    const set: KeyValuePort['set'] = (command) => {
      given.push(command.value);
      return ports.keyValue.set(command);
    };
    const calls = new KeyValueCalls({ ...ports.keyValue, set }, undefined, new JsonCalls(VALUE_BYTES_MAX));
    for (const value of ['first', 'other']) {
      const json = Buffer.from(`{"key":"a","value":"${Buffer.from(value).toString('base64')}"}`);
      await byBytes(calls, { name: 'set', json });
    }
    expect(given.map((value) => Buffer.from(value).toString())).toEqual(['first', 'other']);
  });

  it('tell each state that was read as it is', async () => {
    const node = new FakeNode();
    const bulk = node.ports.bulk as BulkPort;
    let staleness = 0;
    const moment = (): ReadMoment => ({ ...bulk.moment(), stalenessMs: staleness });
    const calls = callsOf(node, { ...bulk, moment });
    const get = { name: 'get', json: Buffer.from('{"key":"a"}') } as const;
    const asked = async (): Promise<unknown> => JSON.parse((await byBytes(calls, get)) ?? '');
    expect(await asked()).not.toHaveProperty('stalenessMs');
    staleness = 7.9;
    expect(await asked()).toMatchObject({ stalenessMs: '7' });
    await byBytes(calls, SEEDED[1] as Request);
    expect(await asked()).toMatchObject({ asOf: { lsn: '1' }, stalenessMs: '7' });
  });
});
