/**
 * The load of the replication bench, a process of its own: `JSON` as its only
 * argument says what to do, JSON on stdout what came of it. At a rate, writes
 * are sent when they are due, whatever the answers do; some of them are followed
 * to each replica by a Get that waits for their position.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { SetRequestSchema, SetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { RawClient } from './raw-client.ts';

export interface LoadOrder {
  readonly master: string;
  /** Writes are followed to these. */
  readonly replicas: readonly string[];
  /** Writes per second; 0: as many as `connections` times `depth` under way at once give. */
  readonly rate: number;
  readonly seconds: number;
  readonly connections: number;
  readonly depth: number;
  /** Different keys that are written; default 100,000. */
  readonly keys?: number;
}

export interface LoadFigures {
  readonly acked: number;
  readonly seconds: number;
  /** Milliseconds from when a write was due to its answer. */
  readonly setMs: readonly number[];
  /** Milliseconds from a write's answer to that of the Get on a replica that waited for it. */
  readonly visibleMs: readonly number[];
  /** Milliseconds of a Get on a replica that had nothing to wait for: what of the above is the way there and back. */
  readonly readMs: readonly number[];
  /** Followed writes that a replica did not show within the time a Get may wait. */
  readonly unseen: number;
  readonly cpuSeconds: number;
}

const KEYS_DEFAULT = 100_000;
const VALUE = Buffer.from('v'.repeat(100));
const SET = '/walnut.v1.KVStore/Set';
const TICK_MS = 2;
/** Every so many writes one is followed. */
const FOLLOW_EVERY = 100;
const WARM_UP_MS = 1_000;

const order = JSON.parse(process.argv[2] ?? '{}') as LoadOrder;
const keys = order.keys ?? KEYS_DEFAULT;
const writers = await Promise.all(
  Array.from({ length: order.connections }, () => RawClient.open(order.master)),
);
const figures = {
  acked: 0,
  setMs: [] as number[],
  visibleMs: [] as number[],
  readMs: [] as number[],
  unseen: 0,
};
const idle = new Map(order.replicas.map((address) => [address, [] as RawClient[]]));
let sent = 0;
let isOver = false;
let isMeasured = false;
const keyOf = (n: number): string => `key:${String((n * 7_919) % keys).padStart(12, '0')}`;

function send(writer: RawClient, dueMs: number, onAnswer?: () => void): void {
  const key = keyOf(sent++);
  const isFollowed = order.replicas.length > 0 && sent % FOLLOW_EVERY === 0;
  const message = toBinary(SetRequestSchema, create(SetRequestSchema, { key, value: VALUE }));
  writer.call(SET, message, ({ status, head, body }) => {
    if (status >= 300) throw new Error(`a write was answered ${head}`);
    const nowMs = performance.now();
    if (isMeasured) {
      figures.acked++;
      figures.setMs.push(nowMs - dueMs);
      if (isFollowed) {
        const { position } = fromBinary(SetResponseSchema, body);
        if (position === undefined) throw new Error('a write was answered without a position');
        const atLeast = `${position.epoch}-${position.lsn}`;
        for (const address of order.replicas) void follow(address, `/v1/keys/${key}`, atLeast, nowMs);
      }
    }
    onAnswer?.();
  });
}

/** A connection of its own while it waits, so that no probe stands behind another. */
async function follow(address: string, path: string, position: string, ackedMs: number): Promise<void> {
  const pool = idle.get(address) ?? [];
  const client = pool.pop() ?? (await RawClient.open(address));
  client.get(`${path}?at_least=${position}&wait=10s`, ({ status, head }) => {
    if (status === 503) figures.unseen++;
    else if (status !== 200) throw new Error(`a followed write was answered ${head}`);
    else figures.visibleMs.push(performance.now() - ackedMs);
    const readFromMs = performance.now();
    client.get(path, () => {
      figures.readMs.push(performance.now() - readFromMs);
      pool.push(client);
    });
  });
}

async function atRate(): Promise<void> {
  const startMs = performance.now();
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now();
      if (isOver) {
        clearInterval(timer);
        resolve();
        return;
      }
      for (let due = startMs + (sent * 1_000) / order.rate; due <= nowMs; due += 1_000 / order.rate)
        send(writers[sent % writers.length] as RawClient, due);
    }, TICK_MS);
  });
}

function atDepth(): void {
  const again = (writer: RawClient): void => {
    if (!isOver) send(writer, performance.now(), () => again(writer));
  };
  for (const writer of writers) for (let i = 0; i < order.depth; i++) again(writer);
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const loading = order.rate > 0 ? atRate() : Promise.resolve(atDepth());
await pause(WARM_UP_MS);
// Connections are opened before they are measured.
for (const [address, pool] of idle)
  pool.push(...(await Promise.all(Array.from({ length: 8 }, () => RawClient.open(address)))));
isMeasured = true;
process.stdout.write('measuring\n');
const fromMs = performance.now();
const fromCpu = process.cpuUsage();
await pause(order.seconds * 1_000);
isMeasured = false;
const cpu = process.cpuUsage(fromCpu);
const seconds = (performance.now() - fromMs) / 1_000;
process.stdout.write('measured\n');
isOver = true;
await loading;
// What is under way still counts where it was followed.
for (let i = 0; i < 200 && writers.some(({ underWay }) => underWay > 0); i++) await pause(50);
await pause(200);
const cpuSeconds = (cpu.user + cpu.system) / 1e6;
process.stdout.write(`${JSON.stringify({ ...figures, seconds, cpuSeconds } satisfies LoadFigures)}\n`, () =>
  process.exit(0),
);
