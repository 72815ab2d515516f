/**
 * Callers of gateways by the ways of production, each as fast as it is answered. They never
 * repeat a call, and every write is at QUORUM, so that it is known what the keys must have.
 */
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { type BatchResult, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability } from '#gen/walnut/v1/types_pb.ts';
import type { GatewayTally } from './gateway-tally.ts';
import type { NodeProcess } from './node-process.ts';

/** What increments count: keys of every group, and so are any eight that follow each other. */
export const COUNTERS = Array.from({ length: 32 }, (_, i) => `k${i}`);
const CALL_MS = 10_000;
const QUORUM = { durability: Durability.QUORUM, timeoutMs: CALL_MS - 1_000 } as const;
const COUNTERS_PER_BATCH = 8;
/** So many are set by a Batch of a caller, while those that the one before it set are read. */
const SETS_PER_BATCH = 16;
const PADDING = '.'.repeat(100);

type Store = Client<typeof KVStore>;
/** Makes one call, the `turn`th of its caller; rejects where that fails as a whole. */
type Call = (turn: number) => Promise<void>;

interface Way {
  readonly name: string;
  readonly callers: number;
  /** What one caller does; `at` is the first of the counters that it takes in turn. */
  readonly open: (gateway: NodeProcess, tally: GatewayTally, at: number) => Call;
}

const overHttp1 = (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '1.1' });
const overHttp2 = (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: '2' });
const byGrpc = (baseUrl: string) => createGrpcTransport({ baseUrl });

const WAYS: readonly Way[] = [
  { name: 'JSON', callers: 4, open: incrementInJson },
  { name: 'protobuf over HTTP/1.1', callers: 2, open: by(overHttp1, increment) },
  { name: 'protobuf over HTTP/2', callers: 4, open: by(overHttp2, increment) },
  { name: 'gRPC', callers: 2, open: by(byGrpc, increment) },
  { name: 'Batch of Increments', callers: 2, open: by(overHttp2, incrementSeveral) },
  { name: 'Batch of Sets and Gets', callers: 2, open: by(overHttp1, setAndGet) },
];

/** Resolves when every caller has the answer that it waited for as `over` aborted. */
export async function callByEveryWay(
  gateways: readonly NodeProcess[],
  tally: GatewayTally,
  over: AbortSignal,
): Promise<void> {
  let started = 0;
  const callers = WAYS.flatMap(({ name, callers, open }) =>
    Array.from({ length: callers }, async (_, i) => {
      const call = open(gateways[i % gateways.length] as NodeProcess, tally, 7 * started++);
      for (let turn = 0; !over.aborted; turn++) {
        const startedMs = performance.now();
        await call(turn);
        tally.waited(name, performance.now() - startedMs);
      }
    }),
  );
  await Promise.all(callers);
}

const counterAt = (i: number): string => COUNTERS[i % COUNTERS.length] as string;

/** A failure of a whole call is one of each write in it. */
async function orFailed<T>(tally: GatewayTally, keys: readonly string[], calling: Promise<T>) {
  return calling.catch((error: Error) => {
    tally.failed(keys, String(error));
    return undefined;
  });
}

function incrementInJson(gateway: NodeProcess, tally: GatewayTally, at: number): Call {
  return async (turn) => {
    const key = counterAt(at + turn);
    const request = { key, durability: 'DURABILITY_QUORUM', timeoutMs: QUORUM.timeoutMs };
    const answer = await orFailed(tally, [key], gateway.call('KVStore/Increment', request, CALL_MS));
    if (answer === undefined) return;
    if (answer.status !== 200) tally.failed([key], JSON.stringify(answer.body));
    else tally.counted(key, answer.body.durabilityReached === 'DURABILITY_QUORUM');
  };
}

/** A way through a client of its own. */
function by(
  transport: (baseUrl: string) => Transport,
  open: (store: Store, tally: GatewayTally, at: number) => Call,
): Way['open'] {
  return ({ address }, tally, at) => open(createClient(KVStore, transport(`http://${address}`)), tally, at);
}

function increment(store: Store, tally: GatewayTally, at: number): Call {
  return async (turn) => {
    const key = counterAt(at + turn);
    const calling = store.increment({ key, ...QUORUM }, { timeoutMs: CALL_MS });
    const answer = await orFailed(tally, [key], calling);
    if (answer !== undefined) tally.counted(key, answer.durabilityReached === Durability.QUORUM);
  };
}

function incrementSeveral(store: Store, tally: GatewayTally, at: number): Call {
  return async (turn) => {
    const keys = Array.from({ length: COUNTERS_PER_BATCH }, (_, i) => counterAt(at + turn + i));
    const operations = keys.map((key) => {
      return { operation: { case: 'increment', value: { key, ...QUORUM } } } as const;
    });
    const answer = await orFailed(tally, keys, store.batch({ operations }, { timeoutMs: CALL_MS }));
    answer?.results.forEach(({ result }, i) => {
      const key = keys[i] as string;
      if (result.case !== 'increment') tally.failed([key], whyNot(result));
      else tally.counted(key, result.value.durabilityReached === Durability.QUORUM);
    });
  };
}

/** Nobody else writes the keys of this caller: each Batch reads what the one before it wrote. */
function setAndGet(store: Store, tally: GatewayTally, at: number): Call {
  const keysOf = (parity: number): string[] =>
    Array.from({ length: SETS_PER_BATCH }, (_, i) => `s${at}-${2 * i + parity}`);
  return async (turn) => {
    const [written, read] = [keysOf(turn % 2), keysOf((turn + 1) % 2)];
    const text = `${turn}${PADDING}`;
    const operations = written.flatMap((key, i) => [
      { operation: { case: 'set', value: { key, value: Buffer.from(text), ...QUORUM } } } as const,
      { operation: { case: 'get', value: { key: read[i] as string } } } as const,
    ]);
    const answer = await orFailed(tally, written, store.batch({ operations }, { timeoutMs: CALL_MS }));
    answer?.results.forEach(({ result }, i) => {
      const key = (i % 2 === 0 ? written : read)[i >> 1] as string;
      if (result.case === 'get') tally.read(key, Buffer.from(result.value.value).toString());
      else if (result.case !== 'set') tally.failed([key], whyNot(result));
      else tally.wrote(key, text, result.value.durabilityReached === Durability.QUORUM);
    });
  };
}

function whyNot({ case: kind, value }: BatchResult['result']): string {
  return kind === 'error' ? `${value.code}: ${value.message}` : `answered as ${kind}`;
}
