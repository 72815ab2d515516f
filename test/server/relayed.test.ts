/**
 * Calls that a gateway passes on as bytes: nodes are asked the same, and callers answered the
 * same, as by a gateway that decodes and encodes each message. WALNUT_FUZZ_RELAYED, 60 unless
 * set, is the number of conversations of each kind.
 */
import { create, type DescMessage, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { slotOfKey } from '#cluster/slot-hash.ts';
import {
  BatchRequestSchema,
  BatchResponseSchema,
  BatchResultSchema,
  DeleteRequestSchema,
  GetRequestSchema,
  IncrementRequestSchema,
  SetRequestSchema,
  TouchRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { BatchResult } from '#model/commands.ts';
import { type ErrorCode, WalnutError } from '#model/errors.ts';
import type { RelayMethod } from '#model/relay.ts';
import { SLOTS } from '#model/slots.ts';
import type { ClientName } from '#model/write-id.ts';
import { badKey, key, type Operation, operationsOf } from '#test/server/byte-operations.ts';
import { EPOCH, type FakeNode } from '#test/server/fake-node.ts';
import { GROUPS, RelayedRig } from '#test/server/relayed-rig.ts';

const RUNS = Number(process.env['WALNUT_FUZZ_RELAYED'] ?? 60);
const SCHEMAS: Readonly<Record<string, DescMessage>> = {
  get: GetRequestSchema,
  set: SetRequestSchema,
  delete: DeleteRequestSchema,
  increment: IncrementRequestSchema,
  touch: TouchRequestSchema,
};

interface Asked {
  readonly method: RelayMethod;
  readonly request: Uint8Array;
}

function batchOf(operations: readonly Operation[]): Asked {
  const message = create(BatchRequestSchema, { operations: [...operations] });
  return { method: 'batch', request: toBinary(BatchRequestSchema, message) };
}

function oneOf({ operation }: Operation): Asked | undefined {
  const method = operation?.case as Exclude<RelayMethod, 'batch'> | undefined;
  const schema = method && SCHEMAS[method];
  if (method === undefined || schema === undefined) return undefined;
  const message = create(schema, operation?.value as Record<string, unknown>);
  return { method, request: toBinary(schema, message) };
}

/** Positions are of one of the groups, or of none. */
function withKnownEpochs(operation: Operation, which: number): Operation {
  const { operation: one } = operation;
  if (one?.case === undefined || which > 3) return operation;
  const value = { ...one.value } as { atLeast?: object; since?: object };
  for (const field of ['atLeast', 'since'] as const)
    if (value[field] !== undefined) value[field] = { ...value[field], epoch: BigInt(EPOCH + which) };
  return { operation: { case: one.case, value } } as Operation;
}

const keys = fc.oneof(key, fc.constantFrom('bar', 'foo', '{tag}1', '{tag}2', 'x', 'y'));
const good = operationsOf(keys).plain;
const odd = operationsOf(fc.oneof({ weight: 9, arbitrary: keys }, { weight: 1, arbitrary: badKey })).any;

function askedOf(operation: fc.Arbitrary<Operation>): fc.Arbitrary<Asked> {
  const known = fc.tuple(operation, fc.nat(4)).map(([one, which]) => withKnownEpochs(one, which));
  return fc.oneof(
    fc.array(known, { minLength: 1, maxLength: 20 }).map(batchOf),
    known.map((one) => oneOf(one) ?? batchOf([one])),
  );
}

/** Asks both gateways the same, and returns how many answers were made of bytes. */
async function sameAnswers(
  conversation: readonly Asked[],
  prepare: (rig: RelayedRig) => void,
): Promise<void> {
  const [decoded, relayed] = [new RelayedRig(false), new RelayedRig(true)];
  for (const rig of [decoded, relayed]) prepare(rig);
  for (const { method, request } of conversation)
    expect(await relayed.ask(method, request)).toBe(await decoded.ask(method, request));
  expect(relayed.seen).toEqual(decoded.seen);
}

/** Keys of all groups. */
const KEYS = ['bar', 'foo', 'x', 'y', 'a', 'b', '{tag}1', '鍵'];

/** Asks each group something, so that its epochs are known. */
const HELLO: readonly Asked[] = ['bar', 'foo', 'x', '{tag}1'].map(
  (one) => oneOf({ operation: { case: 'get', value: { key: one } } }) as Asked,
);

describe('a call that is passed on as bytes', () => {
  it('is answered as one that is decoded and encoded, and so are those that are not in the common form', async () => {
    const conversation = fc.array(fc.oneof(askedOf(good), askedOf(odd)), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(conversation, (asked) => sameAnswers([...HELLO, ...asked], () => undefined)),
      { numRuns: RUNS },
    );
  });

  it.each<[string, RelayedRig['namedBy']]>([
    ['all', (group) => group],
    ['those of one group', (group) => (group === 'g2' ? group : undefined)],
    ['some', (group, i) => (i % 3 === 1 ? group : undefined)],
  ])('is answered the same where nodes name their group in their positions: %s', async (_, namedBy) => {
    const conversation = fc.array(askedOf(good), { minLength: 1, maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(conversation, (asked) =>
        sameAnswers([...HELLO, ...asked], (rig) => {
          rig.namedBy = namedBy;
        }),
      ),
      { numRuns: RUNS / 2 },
    );
  });

  it('is refused where an answer names another group than the one that was asked', async () => {
    const rig = new RelayedRig(true);
    for (const { method, request } of HELLO) await rig.ask(method, request);
    rig.namedBy = () => 'g4';
    for (const { method, request } of HELLO)
      expect(await rig.ask(method, request)).toContain('the answer has fields that no node sends');
  });

  it('fails as one that is decoded and encoded, whatever a node refuses, loses or forgets', async () => {
    const failure = fc.constantFrom(
      'unavailable',
      'aborted',
      'invalid_argument',
      'not_master',
      'rate_limited',
    );
    const failures = fc.array(fc.tuple(fc.constantFrom('g1', 'g2', 'g3'), fc.boolean(), failure), {
      maxLength: 4,
    });
    const conversation = fc.array(askedOf(good), { minLength: 1, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(conversation, failures, (asked, given) =>
        sameAnswers([...HELLO, ...asked], (rig) => {
          const left = given.map(([group, isBefore, code]) => ({ group, isBefore, code }));
          const failing = (wantsBefore: boolean) => (group: string) => {
            const at = left.findIndex((one) => one.group === group && one.isBefore === wantsBefore);
            const [one] = at < 0 ? [] : left.splice(at, 1);
            if (one !== undefined) throw new WalnutError(one.code as 'aborted', `${group} says no`);
          };
          rig.onAttempt = failing(true);
          rig.onAnswer = failing(false);
        }),
      ),
      { numRuns: RUNS },
    );
  });

  it('is made of bytes for groups and callers alike, where nothing asks for more', async () => {
    const rig = new RelayedRig(true);
    // The first write of a group asks for a position.
    for (const { method, request } of [...HELLO, SETS]) await rig.ask(method, request);
    const set = (key: string): Operation => ({
      operation: { case: 'set', value: { key, value: Buffer.from(key) } },
    });
    const get = (key: string): Operation => ({ operation: { case: 'get', value: { key } } });
    const before = rig.ways.length;
    const written = await rig.ask('batch', batchOf(KEYS.map(set)).request);
    const read = await rig.ask('batch', batchOf(KEYS.map(get)).request);
    expect(resultsOf(written).map(({ result }) => result.case)).toEqual(KEYS.map(() => 'set'));
    const values = resultsOf(read).map(
      ({ result }) => result.case === 'get' && Buffer.from(result.value.value).toString(),
    );
    expect(values).toEqual(KEYS);
    expect(rig.ways.slice(before).every((way) => way.endsWith('batch as bytes'))).toBe(true);
    // One for all writes of a group: the first Sets, and these.
    const named = [...rig.nodes.values()].flatMap(({ calls }) => calls.flatMap(namesIn));
    expect(named.length).toBe(2 * GROUPS.length);
    expect(new Set(named).size).toBe(named.length);
  });

  const SETS = batchOf(
    KEYS.map((key) => ({ operation: { case: 'set', value: { key, value: Buffer.from('v') } } })),
  );
  /** Each write has a name of its own. */
  const MIXED = batchOf(
    KEYS.flatMap((key): Operation[] => [
      { operation: { case: 'get', value: { key } } },
      { operation: { case: 'set', value: { key, value: Buffer.from('v') } } },
    ]),
  );
  const ONE = oneOf({ operation: { case: 'set', value: { key: 'bar' } } }) as Asked;

  it.each<[string, (rig: RelayedRig) => void]>([
    ['that a group forgot is sent again with a newer position', (rig) => forget(rig, 1)],
    [
      'whose answer was lost, and that a group forgot, is told as it is',
      (rig) => {
        forget(rig, 2);
        once(rig, 'onAnswer', 'unavailable');
      },
    ],
    ['goes on where the map has it now', (rig) => once(rig, 'onAttempt', 'shard_moved')],
    ['waits for a group that takes no calls', (rig) => once(rig, 'onAttempt', 'unavailable')],
    ['is refused where the node refuses it', (rig) => once(rig, 'onAttempt', 'permission_denied')],
    ['is an error where a node leaves a result out', (rig) => shorten(rig)],
  ])('a write %s', async (_, prepare) => {
    await sameAnswers([...HELLO, SETS, ONE, SETS], prepare);
    await sameAnswers([...HELLO, MIXED, ONE, MIXED], prepare);
  });

  it.each([SETS, MIXED])('a Batch with a write of unknown outcome is sent again', async (asked) => {
    const rig = new RelayedRig(true);
    for (const { method, request } of [...HELLO, SETS]) await rig.ask(method, request);
    let left = 2;
    rig.alter = ({ results }) => {
      const last = results.length - 1;
      const value = { code: 'unavailable', message: 'unknown', nothingDone: false };
      if (left-- > 0) results[last] = create(BatchResultSchema, { result: { case: 'error', value } });
    };
    const results = resultsOf(await rig.ask('batch', asked.request));
    expect(results.map(({ result }) => result.case)).not.toContain('error');
    expect(left).toBeLessThan(0);
  });

  describe.each([
    ['by commands', false],
    ['as bytes', true],
  ])('of which a group does not answer in the time of the caller, %s', (_, isRelayed) => {
    const told = (answer: string | undefined) =>
      resultsOf(answer).map(({ result }) =>
        result.case === 'error' ? [result.value.code, result.value.nothingDone] : result.case,
      );
    const open = async (hello: readonly Asked[]): Promise<RelayedRig> => {
      const rig = new RelayedRig(isRelayed);
      for (const { method, request } of hello) await rig.ask(method, request);
      rig.hung.add('g1');
      rig.leftMs = 800;
      return rig;
    };
    const OF_G1 = new Set(KEYS.filter((one) => slotOfKey(one) < SLOTS / 3));

    it('has the results of the others, and says what is known of each operation', async () => {
      const rig = await open([...HELLO, SETS]);
      const startedMs = rig.clock.monotonicMs();
      const get = (key: string): Operation => ({ operation: { case: 'get', value: { key } } });
      const mixed = batchOf([...KEYS.map(get), { operation: { case: 'set', value: { key: 'bar' } } }]);
      expect(told(await rig.ask('batch', mixed.request))).toEqual([
        ...KEYS.map((one) => (OF_G1.has(one) ? ['deadline_exceeded', true] : 'get')),
        ['deadline_exceeded', false],
      ]);
      expect(rig.clock.monotonicMs() - startedMs).toBeLessThan(800);
      expect(OF_G1.size).toBeGreaterThan(0);
    });

    it('has done no write whose name the group was not even asked for', async () => {
      const rig = await open([]);
      expect(told(await rig.ask('batch', SETS.request))).toEqual(
        KEYS.map((one) => (OF_G1.has(one) ? ['deadline_exceeded', true] : 'set')),
      );
      expect(rig.clock.monotonicMs()).toBeLessThan(800);
    });

    it('has done no write that waited for the group', async () => {
      const rig = await open(HELLO);
      rig.hung.clear();
      rig.onAttempt = (group) => {
        if (group === 'g1') throw new WalnutError('unavailable', 'no lease', { nothingDone: true });
      };
      expect(told(await rig.ask('batch', SETS.request))).toEqual(
        KEYS.map((one) => (OF_G1.has(one) ? ['deadline_exceeded', true] : 'set')),
      );
    });
  });

  it('refuses the results that are more values together than an answer may have', async () => {
    const value = Buffer.alloc(300, 'v');
    const sets = KEYS.map((key): Operation => ({ operation: { case: 'set', value: { key, value } } }));
    const gets = KEYS.map((key): Operation => ({ operation: { case: 'get', value: { key } } }));
    // The answer of each group is short enough.
    await sameAnswers([...HELLO, batchOf(sets), batchOf(gets)], () => undefined);
    const rig = new RelayedRig(true);
    for (const { method, request } of [...HELLO, batchOf(sets)]) await rig.ask(method, request);
    const results = resultsOf(await rig.ask('batch', batchOf(gets).request));
    const cases = results.map(({ result }) => result.case);
    expect(cases).toEqual(['get', 'get', 'get', 'error', 'error', 'error', 'error', 'error']);
  });

  it('leaves a Batch that its caller named to the way of commands, with that name', async () => {
    const namedOf = (...keys: string[]): Asked => {
      const operations = keys.map((key) => ({ operation: { case: 'increment' as const, value: { key } } }));
      const message = create(BatchRequestSchema, { operations, clientId: 9n, sequence: 4n });
      return { method: 'batch', request: toBinary(BatchRequestSchema, message) };
    };
    const rig = new RelayedRig(true);
    for (const { method, request } of HELLO) await rig.ask(method, request);
    await rig.ask('batch', namedOf('{tag}1', '{tag}2').request);
    expect([...rig.nodes.values()].flatMap(({ calls }) => calls.flatMap(namesIn))).toEqual(['9 4']);
    const several = await rig.ask('batch', namedOf('bar', 'foo').request);
    expect(several).toContain('a batch with one name is of one slot');
  });

  it('leaves an atomic Batch to the way of commands', async () => {
    const rig = new RelayedRig(true);
    const message = create(BatchRequestSchema, {
      atomic: true,
      operations: [{ operation: { case: 'get', value: { key: 'a' } } }],
    });
    // The double has no atomic batches.
    const answer = await rig.ask('batch', toBinary(BatchRequestSchema, message));
    expect(answer).toBeUndefined();
    expect(rig.ways).toEqual([]);
  });
});

function resultsOf(answer: string | undefined) {
  return fromBinary(BatchResponseSchema, Buffer.from(answer ?? '', 'hex')).results;
}

function namesIn({ port, extra }: FakeNode['calls'][number]): string[] {
  if (port !== 'namedBatch') return [];
  const { clientId, sequence } = (extra as { readonly name: ClientName }).name;
  return [`${clientId} ${sequence}`];
}

const SHARD = { slot: 5061, group: 'g2', address: '', mapEpoch: 2 };

/** The first attempt, or answer, of a write fails like this. */
function once(rig: RelayedRig, when: 'onAttempt' | 'onAnswer', code: ErrorCode): void {
  let isOver = false;
  rig[when] = (group, method) => {
    if (isOver || group !== 'g1' || method === 'get') return;
    isOver = true;
    throw new WalnutError(code, 'no', code === 'shard_moved' ? { shard: SHARD } : {});
  };
}

/** Each node has forgotten whether it did its next Batches that have a name, and the last write of its next others. */
function forget(rig: RelayedRig, times: number): void {
  const error = new WalnutError('aborted', 'the outcome is unknown');
  for (const node of rig.nodes.values()) {
    let [left, leftNamed] = [times, times];
    alterResults(node, (results) =>
      left-- <= 0
        ? results
        : results.map((result, i) => (i === results.length - 1 ? { kind: 'error', error } : result)),
    );
    const { keyValue } = node.ports;
    const namedBatch = keyValue.namedBatch.bind(keyValue);
    keyValue.namedBatch = async (...given) => {
      const results = await namedBatch(...given);
      if (leftNamed-- > 0) throw error;
      return results;
    };
  }
}

/** A node leaves the last result of its next Batch out. */
function shorten(rig: RelayedRig): void {
  let isOver = false;
  rig.alter = (answer) => {
    if (isOver || answer.results.length < 2) return;
    isOver = true;
    answer.results.pop();
  };
}

function alterResults(node: FakeNode, alter: (results: BatchResult[]) => BatchResult[]): void {
  const { keyValue } = node.ports;
  const batch = keyValue.batch.bind(keyValue);
  keyValue.batch = async (...given) => alter(await batch(...given));
}
