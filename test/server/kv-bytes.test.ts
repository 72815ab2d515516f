/**
 * Batch without messages: whatever the request's bytes are, the shorter way
 * answers what the general one does, or leaves the request to it with nothing done.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  BatchRequestSchema,
  BatchResponseSchema,
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
import type { BulkPort } from '#model/bulk.ts';
import type { WriteAnswer } from '#model/commands.ts';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { Lsn } from '#model/position.ts';
import { settled } from '#test/doubles/settled.ts';
import { badKey, key, type Operation, operationsOf } from '#test/server/byte-operations.ts';
import { FakeNode } from '#test/server/fake-node.ts';
import { http1, start } from '#test/server/running.ts';
import { BatchBytes } from '#wire/batch-bytes.ts';
import { fromBatchResults, toBatchOperations } from '#wire/batch-codec.ts';
import { BatchCounts } from '#wire/batch-counts.ts';
import { SENT_CODES } from '#wire/error-codes.ts';
import { type Caller, KeyValueCalls } from '#wire/kv-calls.ts';
import {
  fromDeleteAnswer,
  fromGetAnswer,
  fromIncrementAnswer,
  fromSetAnswer,
  fromTouchAnswer,
  toDeleteCommand,
  toGetCommand,
  toIncrementCommand,
  toSetCommand,
  toTouchCommand,
} from '#wire/kv-codec.ts';
import { SET } from '#wire/kv-columns.ts';
import { RequestReader } from '#wire/kv-reader.ts';
import { ProtobufCalls } from '#wire/protobuf-calls.ts';

/** Runs of requests with several operations, which take the longest. */
const RUNS = Number(process.env['WALNUT_FUZZ_BATCHES'] ?? 150);
const LIMITS = { valueBytesMax: 400, answerBytesMax: 1_000 };
const describeError = (error: unknown): { code: string; message: string } => ({
  code: error instanceof WalnutError ? error.code : 'bug',
  message: error instanceof Error ? error.message : '',
});
const HEADROOM = 5;
const ANSWER = {
  applied: true,
  previous: undefined,
  current: undefined,
  durabilityReached: 'accepted',
  replicasAcked: 0,
} as const;

async function byMessages(node: FakeNode, request: Uint8Array): Promise<Uint8Array | 'refused'> {
  try {
    const parsed = toBatchOperations(fromBinary(BatchRequestSchema, request), LIMITS);
    const results = parsed.operations.length === 0 ? [] : await node.ports.keyValue.batch(parsed.operations);
    return toBinary(BatchResponseSchema, fromBatchResults(parsed, results, LIMITS, describeError));
  } catch {
    return 'refused';
  }
}

/** Nobody who waits: the signal is asked for in vain. */
const CALLER: Caller = {
  hasDeadline: false,
  get signal(): AbortSignal {
    return expect.unreachable('nothing waits');
  },
};
const WAITING: Caller = { hasDeadline: false, signal: new AbortController().signal };

/** `bulk`: of the node, unless it is another one or none. */
function bytesOf(node: FakeNode, bulk: BulkPort | undefined = node.ports.bulk): BatchBytes {
  return batchBytes(node, bulk);
}

function batchBytes(node: FakeNode, bulk: BulkPort | undefined): BatchBytes {
  const port = node.ports.keyValue;
  const batch: KeyValuePort['batch'] = (...given) => port.batch(...given);
  return new BatchBytes({
    batch,
    namedBatch: (...given) => port.namedBatch(...given),
    pace: { pause: () => Promise.resolve() },
    bulk,
    limits: LIMITS,
    describe: describeError,
    counts: new BatchCounts(),
  });
}

function callsOf({ ports }: FakeNode, bulk = ports.bulk): KeyValueCalls {
  return new KeyValueCalls(ports.keyValue, bulk, new ProtobufCalls(LIMITS.valueBytesMax));
}

function withoutBulk(node: FakeNode): BatchBytes {
  return batchBytes(node, undefined);
}

/** Undefined where the request is left to the general way. */
async function byBytes(bytes: BatchBytes, request: Uint8Array): Promise<Uint8Array | undefined> {
  return (await settled(bytes.batch(request, WAITING, HEADROOM)))?.subarray(HEADROOM);
}

/** Those that are written one at a time by commands: their requests, and what the general way answers. */
const ALONE = {
  delete: {
    toRequest: ({ value: init }: Operation['operation'] & object) =>
      toBinary(DeleteRequestSchema, create(DeleteRequestSchema, init as never)),
    byGeneralWay: async ({ ports }: FakeNode, request: Uint8Array): Promise<string> => {
      const command = toDeleteCommand(fromBinary(DeleteRequestSchema, request));
      const whole = fromDeleteAnswer(await ports.keyValue.delete(command));
      return Buffer.from(toBinary(DeleteResponseSchema, whole)).toString('hex');
    },
  },
  increment: {
    toRequest: ({ value: init }: Operation['operation'] & object) =>
      toBinary(IncrementRequestSchema, create(IncrementRequestSchema, init as never)),
    byGeneralWay: async ({ ports }: FakeNode, request: Uint8Array): Promise<string> => {
      const command = toIncrementCommand(fromBinary(IncrementRequestSchema, request));
      const whole = fromIncrementAnswer(await ports.keyValue.increment(command));
      return Buffer.from(toBinary(IncrementResponseSchema, whole)).toString('hex');
    },
  },
  touch: {
    toRequest: ({ value: init }: Operation['operation'] & object) =>
      toBinary(TouchRequestSchema, create(TouchRequestSchema, init as never)),
    byGeneralWay: async ({ ports }: FakeNode, request: Uint8Array): Promise<string> => {
      const command = toTouchCommand(fromBinary(TouchRequestSchema, request));
      const whole = fromTouchAnswer(await ports.keyValue.touch(command));
      return Buffer.from(toBinary(TouchResponseSchema, whole)).toString('hex');
    },
  },
};

function encode(operations: readonly Operation[]): Uint8Array {
  return toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations: [...operations] }));
}

const good = operationsOf(key);
const mixed = operationsOf(fc.oneof({ weight: 9, arbitrary: key }, { weight: 1, arbitrary: badKey }));

async function sameAnswers(requests: readonly Uint8Array[], of = bytesOf): Promise<number> {
  const [general, short] = [new FakeNode(), new FakeNode()];
  const bytes = of(short);
  const counts = new Map<string, number>();
  let taken = 0;
  for (const request of requests) {
    const expected = await byMessages(general, request);
    const answer = await byBytes(bytes, request);
    if (answer === undefined) {
      await byMessages(short, request);
      continue;
    }
    taken++;
    countInto(counts, request, answer);
    expect(Buffer.from(answer).toString('hex')).toBe(
      expected === 'refused' ? expected : Buffer.from(expected).toString('hex'),
    );
  }
  expect([...short.entries]).toEqual([...general.entries]);
  expect(short.lsn).toBe(general.lsn);
  const counted = Array.from(bytes.counts, ({ kind, code, count }) => [`${kind} ${code}`, count] as const);
  expect(Object.fromEntries(counted)).toEqual(Object.fromEntries(counts));
  return taken;
}

/** What became of each operation, as its caller sees it. */
function countInto(counts: Map<string, number>, request: Uint8Array, answer: Uint8Array): void {
  const { operations } = fromBinary(BatchRequestSchema, request);
  for (const [i, { result }] of fromBinary(BatchResponseSchema, answer).results.entries()) {
    const isRefused = result.case === 'error' && !/^the operation was carried out/.test(result.value.message);
    const code = isRefused ? SENT_CODES[result.value.code as ErrorCode].code : 'ok';
    const what = `${operations[i]?.operation.case} ${code}`;
    counts.set(what, (counts.get(what) ?? 0) + 1);
  }
}

describe('a node without a bulk port', () => {
  it('answers binary requests all the same', async () => {
    const node = new FakeNode();
    const running = await start({ ports: { ...node.ports, bulk: undefined } });
    const call = async (method: string, body: Uint8Array): Promise<Uint8Array> => {
      const headers = { 'content-type': 'application/proto' };
      const answer = await http1(running, 'POST', `/walnut.v1.KVStore/${method}`, { headers, body });
      expect(answer.status).toBe(200);
      return answer.body;
    };
    const set = { key: 'a', value: Buffer.from('x') };
    await call('Set', toBinary(SetRequestSchema, create(SetRequestSchema, set)));
    await call('Batch', encode([{ operation: { case: 'set', value: { ...set, key: 'b' } } }]));
    const get = toBinary(GetRequestSchema, create(GetRequestSchema, { key: 'b' }));
    expect(fromBinary(GetResponseSchema, await call('Get', get))).toMatchObject({ found: true });
    expect(node.calls.map(({ port }) => port)).toEqual(['set', 'batch', 'get']);
  });
});

describe('a batch by its bytes', () => {
  it('is taken in the form that generated code writes, and answered with the same bytes', async () => {
    const batch = fc.array(good.plain, { minLength: 1, maxLength: 20 }).map(encode);
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 5 }), async (requests) => {
        expect(await sameAnswers(requests)).toBe(requests.length);
        expect(await sameAnswers(requests, withoutBulk)).toBe(requests.length);
      }),
      { numRuns: RUNS },
    );
  });

  it('answers nothing else than the general way, where operations are bad, odd or empty', async () => {
    const batch = fc.array(mixed.any, { maxLength: 12 }).map(encode);
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 5 }), async (requests) => {
        const taken = await sameAnswers(requests);
        expect(await sameAnswers(requests, withoutBulk)).toBe(taken);
      }),
      { numRuns: RUNS },
    );
  });

  it('answers nothing else than the general way for bytes that were cut, repeated, moved or altered', async () => {
    const batch = fc.array(mixed.any, { minLength: 1, maxLength: 4 }).map(encode);
    const spoilt = fc
      .tuple(
        batch,
        batch,
        fc.nat(),
        fc.nat(),
        fc.nat(255),
        fc.constantFrom('cut', 'insert', 'alter', 'repeat'),
      )
      .map(([bytes, other, a, b, byte, how]) => {
        const at = a % (bytes.length + 1);
        const to = at + (b % (bytes.length - at + 1));
        const parts = {
          cut: [bytes.subarray(0, at), bytes.subarray(to)],
          insert: [bytes.subarray(0, at), other.subarray(0, b % (other.length + 1)), bytes.subarray(at)],
          alter: [bytes.subarray(0, at), Buffer.from([byte]), bytes.subarray(at + 1)],
          repeat: [bytes.subarray(0, to), bytes.subarray(at, to), bytes.subarray(to)],
        };
        return new Uint8Array(Buffer.concat(parts[how as keyof typeof parts]));
      });
    await fc.assert(
      fc.asyncProperty(spoilt, async (request) => {
        await sameAnswers([encode([{ operation: { case: 'set', value: { key: 'a' } } }]), request]);
      }),
      { numRuns: 4 * RUNS },
    );
  });

  it('is for Sets by themselves what it is in batches', async () => {
    const one = fc.oneof(fc.constant(good.plain), fc.constant(mixed.any)).chain((of) => of);
    const noise = fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(255)) },
    );
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(one, noise), { minLength: 1, maxLength: 6 }), async (operations) => {
        const [general, short] = [new FakeNode(), new FakeNode()];
        for (const [{ operation }, behind] of operations) {
          if (operation?.case !== 'set') continue;
          const message = toBinary(SetRequestSchema, create(SetRequestSchema, operation.value));
          const request = Buffer.concat([message, Buffer.from(behind)]);
          const reader = new RequestReader(LIMITS.valueBytesMax);
          const answer = await settled(callsOf(short).set(request, CALLER, HEADROOM));
          expect(answer !== undefined).toBe(reader.readOne(SET, request));
          if (answer === undefined) continue;
          taken++;
          const command = reader.columns.setCommand(0);
          const expected = toSetCommand(fromBinary(SetRequestSchema, request), LIMITS.valueBytesMax);
          expect({ ...command, value: [...command.value] }).toEqual({
            ...expected,
            value: [...expected.value],
          });
          const { condition, returnPrevious, id } = command;
          const asksForMore = condition !== undefined || returnPrevious || id !== undefined;
          expect(short.calls.at(-1)?.port).toBe(asksForMore ? 'set' : 'sets');
          const whole = fromSetAnswer(await general.ports.keyValue.set(expected));
          const bytes = answer.subarray(HEADROOM);
          expect([...short.entries]).toEqual([...general.entries]);
          expect(bytes.toString('hex')).toBe(Buffer.from(toBinary(SetResponseSchema, whole)).toString('hex'));
        }
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it.each(['delete', 'increment', 'touch'] as const)(
    'is for a single %s what the general way is',
    async (name) => {
      const { toRequest, byGeneralWay } = ALONE[name];
      const of = fc.oneof(good.plain, mixed.any);
      let taken = 0;
      let namedTaken = 0;
      let namedAtBulk = 0;
      await fc.assert(
        fc.asyncProperty(fc.array(of, { minLength: 1, maxLength: 9 }), async (operations) => {
          const [general, short] = [new FakeNode(), new FakeNode()];
          const bulk = short.ports.bulk as BulkPort;
          const soon = `${name}Soon` as const;
          const carryOut = bulk[soon].bind(bulk) as (command: unknown) => never;
          bulk[soon] = (command) => {
            if (command.id !== undefined) namedAtBulk++;
            return carryOut(command);
          };
          for (const { operation } of operations) {
            if (operation?.case !== name) continue;
            const request = toRequest(operation);
            const outcome = async (answer: () => unknown): Promise<unknown> => {
              try {
                return await answer();
              } catch (error) {
                return (error as WalnutError).code;
              }
            };
            const answer = await outcome(async () => callsOf(short)[name](request, CALLER, HEADROOM));
            if (answer === undefined) continue;
            taken++;
            if ((operation.value as { readonly clientId?: bigint }).clientId) namedTaken++;
            const expected = await outcome(() => byGeneralWay(general, request));
            const shown = Buffer.isBuffer(answer) ? answer.subarray(HEADROOM).toString('hex') : answer;
            expect(shown).toEqual(expected);
            expect([...short.entries]).toEqual([...general.entries]);
          }
        }),
        { numRuns: 500 },
      );
      expect(taken).toBeGreaterThan(100);
      expect(namedTaken).toBeGreaterThan(50);
      expect(namedAtBulk).toBe(namedTaken);
    },
  );

  it('is for Gets by themselves what the general way is', async () => {
    const one = fc.oneof(fc.constant(good.plain), fc.constant(mixed.any)).chain((of) => of);
    const noise = fc.oneof(
      { weight: 4, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(255)) },
    );
    let [taken, found] = [0, 0];
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(one, noise), { minLength: 1, maxLength: 9 }), async (operations) => {
        const node = new FakeNode();
        const { keyValue } = node.ports;
        const stored = ['a', 'b', '鍵'].map((one) => ({ key: one, value: Buffer.from(one) }));
        await byMessages(node, encode(stored.map((one) => ({ operation: { case: 'set', value: one } }))));
        for (const [{ operation }, behind] of operations) {
          if (operation?.case === 'set') await byMessages(node, encode([{ operation }]));
          if (operation?.case !== 'get') continue;
          const message = toBinary(GetRequestSchema, create(GetRequestSchema, operation.value));
          const request = Buffer.concat([message, Buffer.from(behind)]);
          const calls = node.calls.length;
          const answer = await callsOf(node).get(request, CALLER, HEADROOM);
          if (answer === undefined) continue;
          taken++;
          expect(node.calls.slice(calls).map(({ port }) => port)).toEqual(['moment']);
          const command = toGetCommand(fromBinary(GetRequestSchema, request));
          const whole = fromGetAnswer(await keyValue.get(command));
          if (whole.found) found++;
          expect(answer.subarray(HEADROOM).toString('hex')).toBe(
            Buffer.from(toBinary(GetResponseSchema, whole)).toString('hex'),
          );
        }
      }),
      { numRuns: 300 },
    );
    expect(taken).toBeGreaterThan(100);
    expect(found).toBeGreaterThan(20);
  });

  it('answers each refused Set with its error, and the others with the outcome of their record', async () => {
    const node = new FakeNode();
    const full = new WalnutError('resource_exhausted', 'full');
    const { bulk } = node.ports as { readonly bulk: BulkPort };
    const bytes = bytesOf(node, {
      ...bulk,
      sets: () => ({ answer: record(), refused }),
    });
    const position = { epoch: 3, lsn: 70_000 as Lsn };
    const record = (): WriteAnswer | undefined => (refused.size === 3 ? undefined : { ...ANSWER, position });
    const request = encode(
      ['a', 'b', 'c'].map((one) => ({ operation: { case: 'set', value: { key: one } } })),
    );
    let refused = new Map([[1, full]]);
    const answer = await byBytes(bytes, request);
    const { results } = fromBinary(BatchResponseSchema, answer ?? new Uint8Array(0));
    expect(results.map(({ result }) => result.case)).toEqual(['set', 'error', 'set']);
    expect(results[1]?.result.value).toMatchObject({ code: 'resource_exhausted', message: 'full' });
    expect(results[2]?.result.value).toMatchObject({ applied: true, position: { epoch: 3n, lsn: 70_000n } });
    refused = new Map([0, 1, 2].map((i) => [i, full]));
    const none = fromBinary(BatchResponseSchema, (await byBytes(bytes, request)) ?? new Uint8Array(0));
    expect(none.results.map(({ result }) => result.case)).toEqual(['error', 'error', 'error']);
    const alone = toBinary(SetRequestSchema, create(SetRequestSchema, { key: 'a' }));
    refused = new Map([0, 1, 2].map((i) => [i, full]));
    const sets: BulkPort['sets'] = () => ({ answer: record(), refused });
    expect(() => callsOf(node, { ...bulk, sets }).set(alone, CALLER, HEADROOM)).toThrow(full);
  });

  it('makes Sets by commands that turn out to be no plain ones', async () => {
    const node = new FakeNode();
    const bulk: BulkPort = { ...(node.ports.bulk as BulkPort), sets: () => undefined };
    const ports = (): string[] => node.calls.splice(0).map(({ port }) => port);
    const batch = encode([{ operation: { case: 'set', value: { key: 'a' } } }]);
    expect(await byBytes(bytesOf(node, bulk), batch)).toBeDefined();
    expect(ports()).toEqual(['batch']);
    const alone = toBinary(SetRequestSchema, create(SetRequestSchema, { key: 'a' }));
    expect(await callsOf(node, bulk).set(alone, CALLER, HEADROOM)).toBeDefined();
    expect(ports()).toEqual(['set']);
  });

  it('makes Gets by commands where they must wait, and where nothing can be read', async () => {
    const node = new FakeNode();
    const bulk = node.ports.bulk as BulkPort;
    const refuse = (): never => {
      throw new WalnutError('unavailable', 'loading');
    };
    const gone = (): never => {
      throw new WalnutError('discarded_history', 'gone');
    };
    const get = { key: 'a', atLeast: { epoch: 1n, lsn: 5n }, waitMs: 7 };
    const alone = toBinary(GetRequestSchema, create(GetRequestSchema, get));
    const batch = encode([{ operation: { case: 'get', value: get } }]);
    for (const moment of [
      () => ({ ...bulk.moment(), includes: () => false }),
      () => ({ ...bulk.moment(), includes: gone }),
      refuse,
    ]) {
      const stale = { ...bulk, moment };
      expect(await callsOf(node, stale).get(alone, WAITING, HEADROOM)).toBeDefined();
      expect(await byBytes(bytesOf(node, stale), batch)).toBeDefined();
      const asked = node.calls.splice(0).filter(({ port }) => port !== 'moment');
      expect(asked.map(({ port }) => port)).toEqual(['get', 'batch']);
    }
  });

  it('asks for a position once that many Gets bring', async () => {
    const node = new FakeNode();
    const asked: number[] = [];
    const bulk = node.ports.bulk as BulkPort;
    const moment = (): ReturnType<BulkPort['moment']> => ({
      ...bulk.moment(),
      includes: ({ lsn }) => asked.push(lsn) > 0,
    });
    const gets = [5n, 5n, 5n, 0n, 5n].map((lsn) => ({ key: 'a', atLeast: { epoch: 1n, lsn } }));
    const request = encode(gets.map((value) => ({ operation: { case: 'get', value } })));
    await byBytes(bytesOf(node, { ...bulk, moment }), request);
    expect(asked).toEqual([5, 0, 5]);
  });

  it('leaves more than 1,000 operations to be refused', async () => {
    const gets = (count: number): Uint8Array =>
      encode(Array.from({ length: count }, () => ({ operation: { case: 'get', value: { key: 'a' } } })));
    expect(await sameAnswers([gets(1_000)])).toBe(1);
    expect(await sameAnswers([gets(1_001)])).toBe(0);
  });
});
