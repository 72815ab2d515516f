/**
 * Calls through a gateway beside the same calls at a node, with one, two and three groups of
 * one node each: processor time of the gateway for a call beside that of the node, and of a relay
 * that passes the same bytes on and looks at none of them (`bare-relay-child.ts`); what is
 * answered in a second beside a cluster of redis with a client that knows its slots, and what
 * the gateway adds to the time of a call at low load.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BatchCall, batchCalls, OPERATIONS, singleOf } from '../batch/batch-calls.ts';
import { median } from '../figures.ts';
import { RawClient } from '../raw-client.ts';
import type { Figure, Pair, SuiteReport } from '../report.ts';
import { askOnce } from '../unary/ask-once.ts';
import type { MeasuredCall } from '../unary/calls.ts';
import { createLoad, type Load, loadNames, REDIS_RATE, redisLoad } from '../unary/load.ts';
import { isInstalled, type Target } from '../unary/processes.ts';
import type { Round } from '../unary/report.ts';
import { type Contender, measureInTurn } from '../unary/rounds.ts';
import { type LocalCluster, startBareRelay, startCluster, startRedisCluster } from './local-cluster.ts';

export interface GatewayBench {
  readonly rounds: number;
  readonly seconds: number;
  /** Clusters of so many groups. */
  readonly groups: readonly number[];
  /** Calls whose name has this text. */
  readonly only: string;
}

/** The first round warms up and is not counted. */
const WARM_UP_ROUNDS = 1;
/** Calls one after the other, for the time of one. */
const LONE_CALLS = 200;

/** The ratio of the gateway's processor time for a batch to that of a node that carries it out whole. */
const CPU_AIMS: Readonly<Record<string, number>> = {
  'batch of 100 gets h1': 0.8,
  'batch of 100 sets h1': 0.4,
};

const CALLS: readonly {
  readonly call: MeasuredCall;
  readonly operations: number;
  readonly verb: 'get' | 'set';
}[] = [
  { call: { ...singleOf('get'), id: 'get h1' }, operations: 1, verb: 'get' },
  { call: { ...singleOf('set'), id: 'set h1' }, operations: 1, verb: 'set' },
  ...batchCalls(1).map((call: BatchCall) => ({ call, operations: OPERATIONS, verb: call.verb })),
];

export async function benchGateway({ rounds, seconds, groups, only }: GatewayBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const pairs: Pair[] = [];
  const figures: Figure[] = [];
  try {
    const load = createLoad(directory);
    for (const count of groups) {
      const cluster = await startCluster(join(directory, `groups-${count}`), count);
      const others = await startOthers(directory, cluster, count);
      try {
        for (const one of CALLS.filter(({ call }) => call.id.includes(only))) {
          const what = `${one.call.id}, ${count} ${count === 1 ? 'group' : 'groups'}`;
          const contenders = contendersOf(one, cluster, others, load);
          const onRound = (round: number): void => {
            process.stderr.write(`${what}: ${round < 0 ? 'warm' : `round ${round + 1} of ${rounds}`}\n`);
          };
          const turns = { rounds, seconds, warmUpRounds: WARM_UP_ROUNDS, onRound };
          pairs.push(...pairsOf(what, one.call.id, await measureInTurn(contenders, turns)));
          if (count === 1) figures.push(...(await timesOf(one.call, cluster, rounds)));
        }
      } finally {
        const { relay, redis } = others;
        await Promise.all([cluster.stop(), relay?.stop(), ...redis.map((target) => target.stop())]);
      }
    }
    const how = `${rounds} rounds of ${seconds} s; ${loadNames()}; node: the same calls straight to a node that has all keys; bare relay: the same bytes to that node and back; redis-cluster: redis-benchmark --cluster; 1/s: operations; CPU µs: processor time of one process for an operation`;
    return { suite: 'gateway', how, pairs, figures };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

interface Others {
  /** Undefined where no node has all keys. */
  readonly relay: Target | undefined;
  readonly redis: readonly Target[];
}

async function startOthers(directory: string, { nodes }: LocalCluster, count: number): Promise<Others> {
  // redis-benchmark takes one node for no cluster.
  if (count === 1) return { relay: await startBareRelay(nodes[0] as Target), redis: [] };
  const hasRedis = isInstalled('redis-server');
  return {
    relay: undefined,
    redis: hasRedis ? await startRedisCluster(join(directory, `redis-${count}`), count) : [],
  };
}

function contendersOf(
  { call, operations, verb }: (typeof CALLS)[number],
  { gateway, nodes }: LocalCluster,
  { relay, redis }: Others,
  load: Load,
): Contender[] {
  const counted = async (target: Target, seconds: number) => {
    const loaded = await load(target.port, call, seconds);
    return { ...loaded, requests: loaded.requests * operations };
  };
  const contenders: Contender[] = [
    { name: 'walnut', target: gateway, load: (seconds) => counted(gateway, seconds) },
  ];
  const [node] = nodes as [Target];
  if (relay !== undefined) {
    contenders.push({ name: 'bare relay', target: relay, load: (seconds) => counted(relay, seconds) });
    contenders.push({ name: 'node', target: node, load: (seconds) => counted(node, seconds) });
    contenders.push({ name: 'behind', target: node, load: (seconds) => counted(gateway, seconds) });
  }
  const [first] = redis;
  if (first !== undefined) {
    const isBatch = operations > 1;
    const ratePerSecond = isBatch ? REDIS_RATE.pipelined : REDIS_RATE.alone;
    const order = { command: verb, ratePerSecond, pipelined: operations, keys: OPERATIONS, isCluster: true };
    contenders.push({
      name: 'redis-cluster',
      target: first,
      load: (seconds) => redisLoad(first.port, { ...order, seconds }),
    });
  }
  return contenders;
}

function pairsOf(what: string, id: string, rounds: readonly Round[]): Pair[] {
  const series = (name: string, of: 'rate' | 'cpuMicros'): number[] =>
    rounds.map((round) => round[name]?.[of] ?? Number.NaN);
  const rate = (versus: string): Pair => ({
    ...({ what, unit: '1/s', versus, better: 'higher' } as const),
    values: series('walnut', 'rate'),
    others: series(versus, 'rate'),
  });
  const [round = {}] = rounds;
  const cpu = (process: string, name: string, aim: number | undefined, versus = 'node'): Pair => ({
    ...({ what: `${what}, ${process}`, unit: 'CPU µs', versus, better: 'lower', aim } as const),
    values: series(name, 'cpuMicros'),
    others: series(versus, 'cpuMicros'),
  });
  const atNode = [
    rate('node'),
    cpu('the gateway', 'walnut', CPU_AIMS[id]),
    cpu('the gateway', 'walnut', undefined, 'bare relay'),
    cpu('the node behind it', 'behind', undefined),
  ];
  return [
    ...(round['node'] === undefined ? [] : atNode),
    ...(round['redis-cluster'] === undefined ? [] : [rate('redis-cluster')]),
  ];
}

/** What the gateway adds to calls that are made one after the other. */
async function timesOf(
  call: MeasuredCall,
  { gateway, nodes }: LocalCluster,
  rounds: number,
): Promise<Figure[]> {
  await askOnce(gateway.port, call);
  const clients = [];
  for (const { port } of [gateway, nodes[0] as Target])
    clients.push(await RawClient.open(`127.0.0.1:${port}`));
  const [through, straight] = clients as [RawClient, RawClient];
  const added: number[] = [];
  for (let round = 0; round < rounds; round++)
    added.push((await msOf(through, call)) - (await msOf(straight, call)));
  for (const client of clients) client.close();
  return [{ what: `${call.id}: added by the gateway, p50`, unit: 'ms', values: added, aim: '≤ 0.5' }];
}

async function msOf(client: RawClient, { path, body }: MeasuredCall): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < LONE_CALLS; i++) {
    const startedMs = performance.now();
    await new Promise<void>((resolve) => client.call(path, body, () => resolve()));
    times.push(performance.now() - startedMs);
  }
  return median(times);
}
