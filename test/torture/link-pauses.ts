/**
 * Processes that stop (SIGSTOP) and go on (SIGCONT): a replica under load,
 * which must cost its master nothing but a cursor, and a master, whose replicas
 * must notice, serve or refuse by `replication.serve_stale`, and go on with it;
 * or, where one of them was promoted meanwhile, fence it.
 */
import { readFileSync } from 'node:fs';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { LinkGroup, type LinkReplica } from './link-group.ts';
import { LinkLoad } from './link-load.ts';
import { type NodeProcess, pause } from './node-process.ts';
import { ProcessJournal } from './process-journal.ts';
import { until } from './until.ts';

const WRITERS = 8;
const WITHIN = { msMax: 30_000 };

export interface StoppedReplicaRun {
  /** The most resident bytes of the master, while all ran and while one stood still. */
  readonly rssBytes: { readonly running: number; readonly stopped: number };
  /** Milliseconds of single writes, likewise. */
  readonly setMs: { readonly running: readonly number[]; readonly stopped: readonly number[] };
  /** Records that the stopped replica was behind at most, by the master's Status. */
  readonly lagRecordsMax: number;
  readonly fullResyncs: number;
  readonly acked: number;
}

export interface StoppedReplicaOptions {
  readonly directory: string;
  readonly seed: number;
  /** Windows in which all run and in which one replica is stopped, by turns. */
  readonly rounds: number;
  readonly windowMs: number;
  /** Before the first window: until caches and heap have their size. */
  readonly warmUpMs: number;
}

export async function stopReplica(options: StoppedReplicaOptions): Promise<StoppedReplicaRun> {
  const { directory, seed, rounds, windowMs, warmUpMs } = options;
  const random = new SeededRandom(seed);
  const journal = new ProcessJournal();
  const group = await LinkGroup.start({ directory, seed, replicas: 2 });
  const load = new LinkLoad({ master: () => group.master, journal, random, writers: WRITERS, pauseMs: 4 });
  const [replica] = group.replicas;
  const rssBytes = { running: 0, stopped: 0 };
  const setMs = { running: [] as number[], stopped: [] as number[] };
  let lagRecordsMax = 0;
  const window = async (kind: 'running' | 'stopped'): Promise<void> => {
    load.takeLatencies();
    for (const endMs = performance.now() + windowMs; performance.now() < endMs; await pause(100))
      rssBytes[kind] = Math.max(rssBytes[kind], rssOf(group.master));
    // Not spread: minutes of writes are more arguments than a call may have.
    for (const each of load.takeLatencies()) setMs[kind].push(each);
    const { body } = await group.master.call('Admin/Status', {});
    const lags = (body.replicas ?? []).map((each: { lagRecords?: string }) => Number(each.lagRecords ?? 0));
    lagRecordsMax = Math.max(lagRecordsMax, ...lags);
  };
  try {
    await pause(warmUpMs);
    for (let round = 0; round < rounds; round++) {
      await window('running');
      replica?.process.kill('SIGSTOP');
      await window('stopped');
      replica?.process.kill('SIGCONT');
      await load.pause();
      await group.untilLevel();
      load.resume();
    }
    await load.pause();
    await group.untilLevel();
    if (replica !== undefined) await journal.verify(replica.process);
    const { full } = await group.resyncs();
    return { rssBytes, setMs, lagRecordsMax, fullResyncs: full, acked: journal.acked };
  } finally {
    await load.stop();
    await group.destroy();
  }
}

/**
 * A master that stands still is noticed by its replicas, and followed again when
 * it goes on; one that stood still while a replica was promoted is fenced.
 */
export async function stopMaster(directory: string, seed: number): Promise<void> {
  const replicaSets = ['replication.max_lag=500ms'];
  const group = await LinkGroup.start({ directory, seed, replicas: 2, replicaSets });
  const old = group.master;
  try {
    const [promoted, strict] = group.replicas;
    if (promoted === undefined || strict === undefined) throw new Error('there are two replicas');
    strict.process.kill('SIGTERM');
    await strict.process.exited;
    await group.restart(strict, ['--set', 'replication.serve_stale=false']);
    await pauseMaster(group, promoted.process, strict.process);
    await promoteMeanwhile(group, promoted, strict, new SeededRandom(seed));
  } finally {
    await Promise.all([old.destroy(), group.destroy()]);
  }
}

async function pauseMaster(group: LinkGroup, lenient: NodeProcess, strict: NodeProcess): Promise<void> {
  await group.master.call('KVStore/Set', { key: 'k', value: 'djE=' });
  await group.untilLevel();
  group.master.kill('SIGSTOP');
  for (const node of [lenient, strict])
    await until('not ready', async () => (await statusOf(node)).ready !== true, WITHIN);
  const stale = await lenient.call('KVStore/Get', { key: 'k' });
  if (stale.status !== 200 || Number(stale.body.stalenessMs ?? 0) < 500)
    throw new Error(`a stale read was answered ${JSON.stringify(stale)}`);
  const refused = await strict.call('KVStore/Get', { key: 'k' });
  if (refused.body.code !== 'unavailable')
    throw new Error(`serve_stale is off and a read was answered ${JSON.stringify(refused)}`);
  await until('unlinked', async () => (await statusOf(lenient)).master?.linked !== true, WITHIN);
  group.master.kill('SIGCONT');
  for (const node of [lenient, strict])
    await until('ready', async () => (await statusOf(node)).ready === true, WITHIN);
  await group.master.call('KVStore/Set', { key: 'k', value: 'djI=' });
  await group.untilLevel();
  const { full } = await group.resyncs();
  if (full > 0) throw new Error(`${full} full resyncs after a pause`);
  await group.master.call('KVStore/Delete', { key: 'k' });
}

async function promoteMeanwhile(
  group: LinkGroup,
  promoted: LinkReplica,
  other: LinkReplica,
  random: SeededRandom,
): Promise<void> {
  const old = group.master;
  const journal = new ProcessJournal();
  const load = new LinkLoad({ master: () => group.master, journal, random, writers: 4, pauseMs: 2 });
  try {
    await pause(300);
    await load.pause();
    await group.untilLevel();
    old.kill('SIGSTOP');
    promoted.process.kill('SIGTERM');
    await promoted.process.exited;
    await group.restart(promoted, ['--force-role', 'master']);
    group.master = promoted.process;
    other.toMaster.target = promoted.process;
    load.resume();
    await pause(300);
    await load.pause();
    await group.untilLevel([promoted.process, other.process]);
    old.kill('SIGCONT');
    await until('fenced', async () => (await statusOf(old)).state === 'NODE_STATE_FENCED', WITHIN);
    const write = await old.call('KVStore/Set', { key: 'late', value: 'eA==' });
    if (write.status === 200) throw new Error('a fenced master took a write');
    for (const node of [promoted.process, other.process]) await journal.verify(node);
  } finally {
    await load.stop();
  }
}

// biome-ignore lint/suspicious/noExplicitAny: what a test reads from JSON it checks by value.
async function statusOf(node: NodeProcess): Promise<any> {
  return (await node.call('Admin/Status', {})).body;
}

/** Resident bytes, from /proc; 0 where there is none. */
function rssOf(node: NodeProcess): number {
  try {
    const status = readFileSync(`/proc/${node.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
