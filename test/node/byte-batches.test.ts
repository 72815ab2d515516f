/**
 * Batches from bytes to bytes on a real master: the answers and the state of a twin
 * that has the same batches as messages, also with batches in flight and a full disk.
 */
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BatchOperationSchema,
  BatchRequestSchema,
  BatchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { StoreLimits } from '#model/entry.ts';
import { WalnutError } from '#model/errors.ts';
import { settled } from '#test/doubles/settled.ts';
import { describeState, TestGroup, type TestNode } from '#test/doubles/test-group.ts';
import { fromAtomicAnswer, toAtomicBatch } from '#wire/atomic-codec.ts';
import { BatchBytes } from '#wire/batch-bytes.ts';
import { fromBatchResults, toBatchOperations } from '#wire/batch-codec.ts';
import { BatchCounts } from '#wire/batch-counts.ts';
import { toNamedWrites } from '#wire/batch-name.ts';

type Operation = MessageInitShape<typeof BatchOperationSchema>;
interface Batch {
  readonly operations: Operation[];
  readonly atomic: boolean;
  /** Its number among those of one client; undefined: it has no name. */
  readonly sequence?: bigint | undefined;
}

function requestOf({ sequence, ...rest }: Batch): Uint8Array {
  const name = sequence === undefined ? {} : { clientId: 7n, sequence };
  return toBinary(BatchRequestSchema, create(BatchRequestSchema, { ...rest, ...name }));
}

const LIMITS = { valueBytesMax: 1_000, answerBytesMax: 400 };
const describeError = (error: unknown): { code: string; message: string } => ({
  code: error instanceof WalnutError ? error.code : 'bug',
  message: error instanceof Error ? error.message : '',
});
const HEADROOM = 3;

const key = fc.constantFrom('a', 'b', 'c', 'd', 'ключ', '__proto__');
const value = fc.uint8Array({ maxLength: 120 });
const expiry = fc.oneof(
  fc.record({ case: fc.constant('ttlMs' as const), value: fc.constantFrom(1n, 40n, 2n ** 53n - 1n) }),
  fc.record({ case: fc.constant('expireAtMs' as const), value: fc.constantFrom(0n, 5n, 2n ** 45n) }),
);
const operation: fc.Arbitrary<Operation> = fc.oneof(
  {
    weight: 3,
    arbitrary: wrapped('set', fc.record({ key, value, expiry }, { requiredKeys: ['key', 'value'] })),
  },
  { weight: 3, arbitrary: wrapped('delete', fc.record({ key })) },
  { weight: 3, arbitrary: wrapped('get', fc.record({ key })) },
);
const batch: fc.Arbitrary<Batch> = fc.record({
  operations: fc.oneof(
    { weight: 4, arbitrary: fc.array(operation, { minLength: 1, maxLength: 9 }) },
    {
      weight: 2,
      arbitrary: fc.array(wrapped('set', fc.record({ key, value })), { minLength: 1, maxLength: 5 }),
    },
  ),
  atomic: fc.constantFrom(false, false, true),
  sequence: fc.constantFrom(undefined, undefined, 1n, 2n, 3n),
});
const limits: fc.Arbitrary<StoreLimits> = fc.constantFrom(
  { entriesMax: 100, bytesMax: 0, policy: 'lru' },
  { entriesMax: 3, bytesMax: 0, policy: 'lru' },
  { entriesMax: 3, bytesMax: 0, policy: 'none' },
  { entriesMax: 0, bytesMax: 450, policy: 'lru' },
);

const isOneOf = (count: number): fc.Arbitrary<boolean> => fc.nat(count - 1).map((n) => n === 0);
const of = (name: 'get' | 'set' | 'delete', value: object): Operation =>
  ({ operation: { case: name, value } }) as Operation;
/** What random batches meet in some runs only: an entry that has expired and is stored still. */
const DELETE_OF_EXPIRED: [StoreLimits, [Batch, string, boolean][]] = [
  { entriesMax: 100, bytesMax: 0, policy: 'lru' },
  [
    [
      { operations: [of('set', { key: 'a', expiry: { case: 'ttlMs', value: 40n } })], atomic: false },
      'pass',
      false,
    ],
    [{ operations: [of('get', { key: 'b' }), of('delete', { key: 'a' })], atomic: false }, 'wait', false],
  ],
];

function wrapped(name: 'get' | 'set' | 'delete', of: fc.Arbitrary<unknown>): fc.Arbitrary<Operation> {
  return of.map((one) => ({ operation: { case: name, value: one } }) as Operation);
}

function byMessages({ node }: TestNode, request: Uint8Array): Promise<string> {
  const message = fromBinary(BatchRequestSchema, request);
  const run = async () => {
    if (message.atomic)
      return fromAtomicAnswer(await node.atomicBatch(toAtomicBatch(message, LIMITS)), describeError);
    const parsed = toBatchOperations(message, LIMITS);
    const named = toNamedWrites(message, parsed);
    if (named !== undefined) {
      const results = await node.namedBatch(named.writes, named.id);
      return fromBatchResults(parsed, results, LIMITS, describeError);
    }
    return fromBatchResults(parsed, await node.batch(parsed.operations), LIMITS, describeError);
  };
  return shown(run().then((answer) => toBinary(BatchResponseSchema, answer)));
}

function shown(answer: Promise<Uint8Array>): Promise<string> {
  return answer.then(
    (bytes) => Buffer.from(bytes).toString('hex'),
    (error: unknown) => describeError(error).code,
  );
}

async function master(seed: number, chosen: StoreLimits): Promise<{ group: TestGroup; one: TestNode }> {
  const group = new TestGroup(seed);
  return { group, one: await group.master({ limits: chosen, fsync: 'always' }) };
}

describe('batches from bytes', () => {
  it('come to what the same batches come to as messages', async () => {
    let [taken, named, refused] = [0, 0, 0];
    await fc.assert(
      fc.asyncProperty(
        limits,
        fc.array(fc.tuple(batch, fc.constantFrom('wait', 'go on', 'pass', 'full'), isOneOf(8)), {
          minLength: 1,
          maxLength: 12,
        }),
        async (chosen, steps) => {
          const [one, twin] = [await master(7, chosen), await master(7, chosen)];
          const { keyValue: port, bulk } = one.one.node.ports;
          const bytes = new BatchBytes({
            batch: (operations, signal) => port.batch(operations, signal),
            namedBatch: (...given) => port.namedBatch(...given),
            pace: { pause: () => Promise.resolve() },
            bulk,
            limits: LIMITS,
            describe: describeError,
            counts: new BatchCounts(),
          });
          const pending: Promise<[string, string]>[] = [];
          const both = <T>(act: (each: typeof one) => Promise<T>) => Promise.all([act(one), act(twin)]);
          for (const [made, then, isOther] of steps) {
            // A Batch whose name came before is mostly that one again.
            const first = steps.find(([{ sequence }]) => sequence === made.sequence)?.[0] ?? made;
            const request = requestOf(made.sequence === undefined || isOther ? made : first);
            await both(async ({ one: { fileSystem } }) => {
              if (then === 'full') fileSystem.bytesMax = fileSystem.usedBytes + 10;
            });
            const caller = { hasDeadline: false, signal: new AbortController().signal };
            let answer: ReturnType<BatchBytes['batch']>;
            try {
              answer = bytes.batch(request, caller, HEADROOM);
            } catch (error) {
              answer = Promise.reject(error);
            }
            if (answer !== undefined) taken++;
            if (answer !== undefined && made.sequence !== undefined) named++;
            const short =
              answer === undefined
                ? byMessages(one.one, request)
                : shown(settled(answer).then((whole) => whole.subarray(HEADROOM)));
            pending.push(Promise.all([short, byMessages(twin.one, request)]));
            if (then === 'go on') continue;
            await both(({ group }) => group.clock.advance(then === 'pass' ? 45 : 1));
            await both(async ({ one: { fileSystem }, group }) => {
              fileSystem.bytesMax = Number.POSITIVE_INFINITY;
              if (then === 'full') await group.clock.advance(3_000);
            });
            expect(describeState(one.one)).toBe(describeState(twin.one));
          }
          await both(({ group }) => group.clock.advance(5_000));
          for (const [short, general] of await Promise.all(pending)) {
            if (general === 'resource_exhausted') refused++;
            expect(short).toBe(general);
          }
          expect(describeState(one.one)).toBe(describeState(twin.one));
          await both(({ one: node, group }) => group.stop(node));
        },
      ),
      { numRuns: 60, examples: [DELETE_OF_EXPIRED] },
    );
    expect(taken).toBeGreaterThan(100);
    expect(named).toBeGreaterThan(10);
    expect(refused).toBeGreaterThan(0);
  });
});
