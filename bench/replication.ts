/**
 * What replication costs and how fast it is: real processes on this machine, a
 * master, three replicas and the load, which share its cores. So the share of
 * the processors that each took is told with every figure.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NodeProcess, pause } from '#test/torture/node-process.ts';
import {
  type CaughtUp,
  catchUpFigures,
  costFigures,
  costPairs,
  lagFigures,
  type Measured,
} from './replication-figures.ts';
import type { LoadFigures, LoadOrder } from './replication-load.ts';
import type { Figure, SuiteReport } from './report.ts';
import { asShipped } from './unary/processes.ts';

export interface ReplicationBench {
  readonly rounds: number;
  /** Seconds of each measurement. */
  readonly seconds: number;
  readonly rate: number;
  /** Records that a replica that was away has to catch up with. */
  readonly records: number;
}

const REPLICAS = 3;
const LOAD = join(import.meta.dirname, 'replication-load.ts');
export const FILL = join(import.meta.dirname, 'recovery-child.ts');
/** The usual `getconf CLK_TCK`. */
const TICKS_PER_SECOND = 100;
const POLL_MS = 20;
const LEVEL_MS_MAX = 300_000;
const LOG_KEPT = ['wal.retention=100GB', 'snapshot.every=100GB', 'log.level=info'];

export async function benchReplication(options: ReplicationBench): Promise<SuiteReport> {
  const { pairs, figures } = await underLoad(options);
  const { rate, seconds, records } = options;
  return {
    suite: 'replication',
    how: `three replicas, ${rate.toLocaleString('en')} writes in a second or as many as go, for ${seconds} s; catch-up with ${records.toLocaleString('en')} records; all processes on one machine`,
    pairs,
    figures: [...figures, ...(await afterAbsence(options))],
  };
}

async function underLoad({
  rounds,
  seconds,
  rate,
}: ReplicationBench): Promise<Pick<SuiteReport, 'pairs' | 'figures'>> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const nodes: NodeProcess[] = [];
  try {
    const master = await startNode(nodes, 'master', [`wal.directory=${join(directory, 'master')}`]);
    for (let i = 1; i <= REPLICAS; i++) await startReplica(nodes, directory, `replica-${i}`, master);
    const replicas = nodes.slice(1);
    await untilLevel(master, replicas);
    const lag: Measured[] = [];
    const full: Measured[] = [];
    const alone: Measured[] = [];
    const addresses = replicas.map(({ address }) => address);
    for (let round = 0; round < rounds; round++) {
      const closed = { master: master.address, replicas: [], rate: 0, seconds, connections: 64, depth: 1 };
      lag.push(await measure({ ...closed, replicas: addresses, rate }, master, replicas));
      await untilLevel(master, replicas);
      full.push(await measure(closed, master, replicas));
      await untilLevel(master, replicas);
      for (const address of addresses) await admin(master, 'RemoveReplica', { address });
      alone.push(await measure(closed, master, replicas));
      for (const address of addresses) await admin(master, 'AddReplica', { address });
      await untilLevel(master, replicas);
      process.stderr.write(`round ${round + 1} of ${rounds}\n`);
    }
    return {
      pairs: costPairs(full, alone),
      figures: [...lagFigures(lag, rate), ...costFigures(full, alone)],
    };
  } finally {
    await stopAll(nodes, directory);
  }
}

/** Empty replicas, one after the other, follow a master whose log goes back to the first record. */
async function afterAbsence({ rounds, records }: ReplicationBench): Promise<Figure[]> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const nodes: NodeProcess[] = [];
  try {
    const path = join(directory, 'master');
    await run([FILL, 'fill', path, String(records), 'log']);
    const master = await startNode(nodes, 'master', [`wal.directory=${path}`, ...LOG_KEPT]);
    const caught: CaughtUp[] = [];
    for (let round = 0; round < rounds; round++) {
      const replica = await startReplica(nodes, directory, `replica-${round}`, master);
      caught.push(await measureCatchUp(master, replica));
      await replica.destroy();
      nodes.pop();
      process.stderr.write(`catch-up ${round + 1} of ${rounds}\n`);
    }
    return catchUpFigures(caught);
  } finally {
    await stopAll(nodes, directory);
  }
}

async function measureCatchUp(master: NodeProcess, replica: NodeProcess): Promise<CaughtUp> {
  const { body } = await master.call('Admin/Status', {});
  const total = Number(body.durableLsn);
  const startMs = performance.now();
  const cpu = [cpuSecondsOf(master), cpuSecondsOf(replica)];
  for (let first: { lsn: number; atMs: number } | undefined; ; await pause(POLL_MS)) {
    const status = await replica.call('Admin/Status', {});
    const lsn = Number(status.body.appliedLsn ?? 0);
    const atMs = performance.now();
    first ??= lsn > 0 ? { lsn, atMs } : undefined;
    if (lsn >= total && first !== undefined) {
      return {
        records: total - first.lsn,
        seconds: (atMs - first.atMs) / 1_000,
        bytes: Number(status.body.wal?.bytes ?? 0),
        masterCpuSeconds: cpuSecondsOf(master) - (cpu[0] ?? 0),
        replicasCpuSeconds: cpuSecondsOf(replica) - (cpu[1] ?? 0),
      };
    }
    if (atMs - startMs > LEVEL_MS_MAX) throw new Error(`the replica is at ${lsn} of ${total}`);
  }
}

/** Runs the load and reads the nodes' processor time where it measures. */
async function measure(order: LoadOrder, master: NodeProcess, replicas: NodeProcess[]): Promise<Measured> {
  const cpuNow = () => [
    cpuSecondsOf(master),
    replicas.reduce((sum, replica) => sum + cpuSecondsOf(replica), 0),
  ];
  let before = cpuNow();
  let after = before;
  const figures = await runLoad(order, (mark) => {
    if (mark === 'measuring') before = cpuNow();
    else after = cpuNow();
  });
  return {
    ...figures,
    masterCpuSeconds: (after[0] ?? 0) - (before[0] ?? 0),
    replicasCpuSeconds: (after[1] ?? 0) - (before[1] ?? 0),
  };
}

/** Runs the load in a process of its own; `onMark` hears when it begins to measure, and when it ends. */
export async function runLoad(
  order: LoadOrder,
  onMark: (mark: 'measuring' | 'measured') => void,
): Promise<LoadFigures> {
  const child = spawn(process.execPath, [LOAD, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let last = '';
  for await (const line of createInterface({ input: child.stdout })) {
    if (line === 'measuring' || line === 'measured') onMark(line);
    else last = line;
  }
  await ended(child, 'the load');
  return JSON.parse(last) as LoadFigures;
}

async function startNode(
  nodes: NodeProcess[],
  binary: 'master' | 'slave',
  sets: readonly string[],
): Promise<NodeProcess> {
  const args = sets.flatMap((set) => ['--set', set]);
  const node = new NodeProcess({ binary, sets, ...asShipped(`cmd/${binary}.ts`, args) });
  nodes.push(node);
  if (!(await node.ready())) throw new Error(`it does not start: ${node.output}`);
  return node;
}

function startReplica(
  nodes: NodeProcess[],
  directory: string,
  name: string,
  master: NodeProcess,
): Promise<NodeProcess> {
  const sets = [`wal.directory=${join(directory, name)}`, `master.address=${master.address}`];
  return startNode(nodes, 'slave', sets);
}

async function untilLevel(master: NodeProcess, replicas: readonly NodeProcess[]): Promise<void> {
  for (const endMs = performance.now() + LEVEL_MS_MAX; performance.now() < endMs; await pause(POLL_MS)) {
    const [first, ...others] = await Promise.all(
      [master, ...replicas].map(async (node) => (await node.call('Admin/Status', {})).body),
    );
    const isLevel = others.every(
      ({ appliedLsn, state }) => appliedLsn === first.appliedLsn && state === 'NODE_STATE_STREAMING',
    );
    if (isLevel) return;
  }
  throw new Error('the replicas did not get level');
}

async function admin(node: NodeProcess, method: string, body: object): Promise<void> {
  const answer = await node.call(`Admin/${method}`, body);
  if (answer.status !== 200) throw new Error(`${method} answered ${JSON.stringify(answer.body)}`);
}

/** User and system time from /proc; 0 where there is none. */
function cpuSecondsOf(node: NodeProcess): number {
  try {
    const stat = readFileSync(`/proc/${node.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  } catch {
    return 0;
  }
}

async function stopAll(nodes: readonly NodeProcess[], directory: string): Promise<void> {
  await Promise.all(nodes.map((node) => node.destroy()));
  rmSync(directory, { recursive: true, force: true });
}

export async function run(argv: readonly string[]): Promise<void> {
  await ended(spawn(process.execPath, argv, { stdio: ['ignore', 'ignore', 'inherit'] }), argv[1] ?? '');
}

async function ended(child: ChildProcess, what: string): Promise<void> {
  const code = child.exitCode ?? (await new Promise((resolve) => child.once('exit', resolve)));
  if (code !== 0) throw new Error(`${what} failed with ${code}`);
}
