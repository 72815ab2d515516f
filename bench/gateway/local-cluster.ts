/** A cluster of groups of one node behind a gateway, and a cluster of redis, as processes of this machine. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { asShipped, freePort, started, startRedis, type Target } from '../unary/processes.ts';

const ROOT = join(import.meta.dirname, '../..');
const SLOTS = 16_384;
const READY_MS_MAX = 30_000;
const LOOK_MS = 100;

export interface LocalCluster {
  readonly gateway: Target;
  /** One for each group. */
  readonly nodes: readonly Target[];
  /** All processes, the coordinator too. */
  stop(): Promise<void>;
}

/** Resolves when the gateway is ready. */
export async function startCluster(directory: string, groups: number): Promise<LocalCluster> {
  mkdirSync(directory, { recursive: true });
  const all: Target[] = [];
  const start = async (entry: string, sets: readonly string[]): Promise<Target> => {
    const target = await startBinary(entry, sets);
    all.push(target);
    return target;
  };
  const stop = async (): Promise<void> => {
    await Promise.all(all.map((target) => target.stop()));
  };
  try {
    const metadata = `coordinator.metadata.file=${join(directory, 'metadata.db')}`;
    const coordinator = await start('cmd/coordinator.ts', [metadata]);
    const address = `127.0.0.1:${coordinator.port}`;
    const names = Array.from({ length: groups }, (_, i) => `node-${i + 1}`);
    const nodes: Target[] = [];
    for (const name of names) {
      const own = [`wal.directory=${join(directory, name)}`, `cluster.node=${name}`];
      nodes.push(await start('cmd/node.ts', [...own, `cluster.coordinators=${address}`]));
    }
    const plan = { groups: names.map((name, i) => ({ id: `g${i + 1}`, nodes: [name] })) };
    await untilOk(`http://${address}/walnut.v1.Coordinator/InitCluster`, JSON.stringify(plan));
    const gateway = await start('cmd/gateway.ts', [`gateway.coordinators=${address}`]);
    await untilOk(`http://127.0.0.1:${gateway.port}/readyz`);
    // A group takes no writes before the lease of a master before it would be over.
    const status = 'walnut.v1.Admin/Status';
    for (const { port } of nodes) await untilOk(`http://127.0.0.1:${port}/${status}`, '{}', 'SERVING');
    return { gateway, nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** See `bare-relay-child.ts`. It has the flags of a gateway. */
export function startBareRelay({ port }: Target): Promise<Target> {
  const { nodeFlags, env } = asShipped('cmd/gateway.ts', []);
  const argv = [...nodeFlags, join(import.meta.dirname, 'bare-relay-child.ts'), `127.0.0.1:${port}`];
  return started(spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], env }), /port (\d+)/);
}

/** So many masters, at least two, each with its part of the slots. */
export async function startRedisCluster(directory: string, masters: number): Promise<Target[]> {
  const all: Target[] = [];
  for (let i = 0; i < masters; i++) {
    const own = join(directory, `redis-${i}`);
    mkdirSync(own, { recursive: true });
    const busPort = String(await freePort());
    const target = await startRedis(own, ['--cluster-enabled', 'yes', '--cluster-port', busPort]);
    const cut = (which: number): number => Math.floor((which * SLOTS) / masters);
    redisCli(target, ['addslotsrange', String(cut(i)), String(cut(i + 1) - 1)]);
    const [first] = all;
    if (first !== undefined) redisCli(first, ['meet', '127.0.0.1', String(target.port), busPort]);
    all.push(target);
  }
  const endMs = performance.now() + READY_MS_MAX;
  const knowsAll = (target: Target): boolean =>
    redisCli(target, ['info']).includes(`cluster_slots_assigned:${SLOTS}`);
  while (!all.every(knowsAll)) {
    if (performance.now() > endMs) throw new Error('the cluster of redis is not ready in time');
    await sleep(LOOK_MS);
  }
  return all;
}

function redisCli({ port }: Target, argv: readonly string[]): string {
  return spawnSync('redis-cli', ['-p', String(port), 'cluster', ...argv], { encoding: 'utf8' }).stdout;
}

function startBinary(entry: string, more: readonly string[]): Promise<Target> {
  const sets = ['server.port=0', 'server.address=127.0.0.1', 'log.format=json', ...more];
  const args = sets.flatMap((set) => ['--set', set]);
  const { nodeFlags, env } = asShipped(entry, args);
  const argv = [...nodeFlags, join(ROOT, entry), ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'pipe'], env });
  return started(child, /"address":"127\.0\.0\.1:(\d+)"[^\n]*"listening"/);
}

/** Asks until the answer is a 200 that contains `text`; a body is sent by POST. */
async function untilOk(url: string, body?: string, text = ''): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const options = body === undefined ? {} : { method: 'POST', headers, body };
  const endMs = performance.now() + READY_MS_MAX;
  for (;;) {
    const answer = await fetch(url, options).catch((error: Error) => error);
    const why = answer instanceof Response ? await answer.text() : answer.message;
    if (answer instanceof Response && answer.ok && why.includes(text)) return;
    if (performance.now() > endMs) throw new Error(`${url} is not ready in time: ${why}`);
    await sleep(LOOK_MS);
  }
}
