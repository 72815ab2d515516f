/**
 * Measures what cutting requests and joining answers costs a gateway, without connections: nodes
 * answer each message at once with bytes that were made before. Prints microseconds of processor
 * time a call, lowest and median of 15 rounds. `node bin/launch.cjs test/server/relay-bench.ts [CALLS]`
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
import type { Caller } from '#wire/kv-calls.ts';
import { RelayedBatches } from '#wire/relayed-batches.ts';
import { RelayedCalls } from '#wire/relayed-calls.ts';
import { operationsOf, singleOf } from '../../bench/batch/batch-calls.ts';
import { median } from '../../bench/figures.ts';

const ROUNDS = 15;
const CALLS = Number(process.argv[2] ?? 2_000);
const VALUE = Buffer.alloc(100, 'v');
const CALLER: Caller = { hasDeadline: false, signal: new AbortController().signal };

const position = { epoch: 4_299_262_263_297n, lsn: 123_456n };
const get = create(GetResponseSchema, {
  found: true,
  value: VALUE,
  version: position,
  asOf: position,
} as never);
const set = create(SetResponseSchema, {
  applied: true,
  position,
  durabilityReached: Durability.LOCAL,
} as never);

/** Answers by the length of the message: those of one kind are never the same. */
function answerer(): (method: RelayMethod, message: Uint8Array) => Promise<Uint8Array> {
  const known = new Map<string, Promise<Uint8Array>>();
  return (method, message) => {
    const name = `${method} ${message.length}`;
    let answer = known.get(name);
    if (answer === undefined) {
      answer = Promise.resolve(answerTo(method, message));
      known.set(name, answer);
    }
    return answer;
  };
}

function answerTo(method: RelayMethod, message: Uint8Array): Uint8Array {
  if (method === 'get') return toBinary(GetResponseSchema, get);
  if (method === 'set') return toBinary(SetResponseSchema, set);
  const results = fromBinary(BatchRequestSchema, message).operations.map(({ operation }) => ({
    result: operation.case === 'get' ? { case: 'get', value: get } : { case: 'set', value: set },
  }));
  return toBinary(BatchResponseSchema, create(BatchResponseSchema, { results } as never));
}

function rig(count: number): { one: RelayedCalls; batches: RelayedBatches } {
  const clock = createNodeClock();
  const pass = answerer();
  const link = {
    pass: async (
      method: RelayMethod,
      message: Uint8Array,
      _: unknown,
      read: (answer: Uint8Array) => unknown,
    ) => read(await pass(method, message)),
  } as unknown as NodeKeys;
  const groups = new Groups({
    links: {
      linkTo: () => link,
      judge: () => ({ outcome: 'unknown', remedy: 'none' }),
      toError: (error) => error as never,
      retain: () => undefined,
    },
    ...{ clock, random: new SeededRandom(1), logger: silentLogger },
    limits: { callsMax: 10_000, bytesMax: 64_000_000 },
    ask: async () => undefined,
    onMap: () => undefined,
  });
  const ids = Array.from({ length: count }, (_, i) => `g${i + 1}`);
  groups.cache.take({ kind: 'whole', map: mapOf(ids, 1), epoch: 1 });
  for (const group of groups.all) group.observe({ epoch: Number(position.epoch), lsn: 1 as never });
  const { relay } = new ClusterKeys({ groups, clock, readFrom: 'master' });
  const limits = { valueBytesMax: 1_000_000, answerBytesMax: 1_000_000 };
  return {
    one: new RelayedCalls(relay, {} as never, 1_000_000),
    batches: new RelayedBatches(relay, {} as never, limits),
  };
}

async function microsOf(call: () => unknown): Promise<string> {
  const values: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < CALLS; i++) await call();
    const { user, system } = process.cpuUsage(before);
    values.push((user + system) / CALLS);
  }
  return `${Math.min(...values).toFixed(1)} and ${median(values).toFixed(1)} µs`;
}

for (const count of [1, 3]) {
  const { one, batches } = rig(count);
  const [gets, sets] = [operationsOf('get'), operationsOf('set')];
  const [oneGet, oneSet] = [singleOf('get').body, singleOf('set').body];
  const told = (what: string, micros: string): void => {
    process.stdout.write(`${count} ${count === 1 ? 'group' : 'groups'}, ${what}: ${micros}\n`);
  };
  told('a Get', await microsOf(() => one.get(oneGet, CALLER, 5)));
  told('a Set', await microsOf(() => one.set(oneSet, CALLER, 5)));
  told('100 Gets', await microsOf(() => batches.batch(gets, CALLER, 5)));
  told('100 Sets', await microsOf(() => batches.batch(sets, CALLER, 5)));
}
