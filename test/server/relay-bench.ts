/**
 * Measures what cutting requests and joining answers costs a gateway, without connections: nodes
 * answer each message at once with bytes that were made before. Prints microseconds of processor
 * time a call, lowest and median of 15 rounds: where the nodes name no group, so that the gateway adds
 * it, and where they do. `node bin/launch.cjs test/server/relay-bench.ts [CALLS]`
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  BatchRequestSchema,
  BatchResponseSchema,
  GetResponseSchema,
  SetResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import type { RelayMethod } from '#model/relay.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { ClusterKeys } from '#routing/cluster-keys.ts';
import { Groups } from '#routing/groups.ts';
import type { NodeKeys } from '#routing/node-keys.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { BatchCounts } from '#wire/batch-counts.ts';
import type { Caller } from '#wire/kv-calls.ts';
import { RelayedBatches } from '#wire/relayed-batches.ts';
import { RelayedCalls } from '#wire/relayed-calls.ts';
import { operationsOf, singleOf } from '../../bench/batch/batch-calls.ts';
import { median } from '../../bench/figures.ts';

const ROUNDS = 15;
const CALLS = Number(process.argv[2] ?? 2_000);
const VALUE = Buffer.alloc(100, 'v');
const CALLER: Caller = { hasDeadline: false, signal: new AbortController().signal };

const version = { epoch: 4_299_262_263_297n, lsn: 123_456n };

/** The answers of a node whose positions name this group; empty: none. */
function answersOf(group: string) {
  const position = { ...version, group };
  const get = create(GetResponseSchema, { found: true, value: VALUE, version, asOf: position } as never);
  const durabilityReached = Durability.LOCAL;
  const set = create(SetResponseSchema, { applied: true, position, durabilityReached } as never);
  return { get, set };
}

type Answers = ReturnType<typeof answersOf>;

/** Answers by the length of the message: those of one kind are never the same. */
function answerer(answers: Answers): (method: RelayMethod, message: Uint8Array) => Promise<Uint8Array> {
  const known = new Map<string, Promise<Uint8Array>>();
  return (method, message) => {
    const name = `${method} ${message.length}`;
    let answer = known.get(name);
    if (answer === undefined) {
      answer = Promise.resolve(answerTo(answers, method, message));
      known.set(name, answer);
    }
    return answer;
  };
}

function answerTo({ get, set }: Answers, method: RelayMethod, message: Uint8Array): Uint8Array {
  if (method === 'get') return toBinary(GetResponseSchema, get);
  if (method === 'set') return toBinary(SetResponseSchema, set);
  const results = fromBinary(BatchRequestSchema, message).operations.map(({ operation }) => ({
    result: operation.case === 'get' ? { case: 'get', value: get } : { case: 'set', value: set },
  }));
  return toBinary(BatchResponseSchema, create(BatchResponseSchema, { results } as never));
}

function linkTo(group: string): NodeKeys {
  const pass = answerer(answersOf(group));
  return {
    pass: async (
      method: RelayMethod,
      message: Uint8Array,
      _: unknown,
      read: (answer: Uint8Array) => unknown,
    ) => read(await pass(method, message)),
  } as unknown as NodeKeys;
}

function rig(count: number, isNamed: boolean): { one: RelayedCalls; batches: RelayedBatches } {
  const clock = createNodeClock();
  const ids = Array.from({ length: count }, (_, i) => `g${i + 1}`);
  const links = new Map(ids.map((id) => [id, linkTo(isNamed ? id : '')]));
  const groups = new Groups({
    links: {
      linkTo: (address) => links.get(address.slice(0, address.indexOf('-'))) as NodeKeys,
      judge: () => ({ outcome: 'unknown', remedy: 'none' }),
      toError: (error) => error as never,
      retain: () => undefined,
    },
    ...{ clock, random: new SeededRandom(1), logger: silentLogger },
    limits: { callsMax: 10_000, bytesMax: 64_000_000 },
    ask: async () => undefined,
    onMap: () => undefined,
  });
  groups.cache.take({ kind: 'whole', map: mapOf(ids, 1), epoch: 1 });
  for (const group of groups.all) group.observe({ epoch: Number(version.epoch), lsn: 1 as never });
  const { relay } = new ClusterKeys({ groups, clock, readFrom: 'master' });
  const limits = { valueBytesMax: 1_000_000, answerBytesMax: 1_000_000 };
  return {
    one: new RelayedCalls(relay, {} as never, 1_000_000),
    batches: new RelayedBatches(relay, { counts: new BatchCounts() } as never, limits),
  };
}

/** Of calls whose rounds take turns. */
async function microsOf(calls: readonly (() => unknown)[]): Promise<string[]> {
  const values = calls.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++)
    for (const [which, call] of calls.entries()) {
      const before = process.cpuUsage();
      for (let i = 0; i < CALLS; i++) await call();
      const { user, system } = process.cpuUsage(before);
      values[which]?.push((user + system) / CALLS);
    }
  return values.map((each) => `${Math.min(...each).toFixed(1)} and ${median(each).toFixed(1)} µs`);
}

for (const count of [1, 3]) {
  const rigs = [rig(count, false), rig(count, true)];
  const [gets, sets] = [operationsOf('get'), operationsOf('set')];
  const [oneGet, oneSet] = [singleOf('get').body, singleOf('set').body];
  const told = async (what: string, call: (to: ReturnType<typeof rig>) => unknown): Promise<void> => {
    const [added, named] = await microsOf(rigs.map((each) => () => call(each)));
    const groups = count === 1 ? 'group' : 'groups';
    process.stdout.write(`${count} ${groups}, ${what}: ${added}; named by the nodes: ${named}\n`);
  };
  await told('a Get', ({ one }) => one.get(oneGet, CALLER, 5));
  await told('a Set', ({ one }) => one.set(oneSet, CALLER, 5));
  await told('100 Gets', ({ batches }) => batches.batch(gets, CALLER, 5));
  await told('100 Sets', ({ batches }) => batches.batch(sets, CALLER, 5));
}
