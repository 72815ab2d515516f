/**
 * Rounds of faults against the master of a cluster of real processes, under load. After each
 * round everything heals, and then: the history of each register is linearizable, no master
 * acknowledged a write beside a newer one, and every write that was acknowledged at QUORUM
 * is on every node.
 */
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { ETCD_FAULTS, FAULTS } from './cluster-faults.ts';
import { HistoryLoad } from './history-load.ts';
import { violationsOf } from './linearizable.ts';
import { untilLevel } from './link-group.ts';
import { type NodeProcess, pause } from './node-process.ts';
import type { ProcessCluster } from './process-cluster.ts';
import { type AckedWrite, overlapsOf } from './two-masters.ts';
import { until } from './until.ts';

const HEALED = { msMax: 60_000 };
const KEYS_PER_BATCH = 500;

export interface Round {
  readonly fault: string;
  /** Writes acknowledged at QUORUM, and linearizable reads answered. */
  readonly acked: number;
  readonly reads: number;
  /** The longest time without an acknowledged write, from the fault on, milliseconds. */
  readonly gapMs: number;
  /** True if another term was led after the fault. */
  readonly hasFailedOver: boolean;
}

/** The fault of a seed: consecutive seeds have each of them in turn. */
export function faultOf(seed: number, hasEtcd: boolean): string {
  const names = [...Object.keys(FAULTS), ...(hasEtcd ? Object.keys(ETCD_FAULTS) : [])];
  return names[seed % names.length] as string;
}

/** Throws where a promise was broken, or something takes longer than a minute to serve again. */
export async function runRound(cluster: ProcessCluster, seed: number, fault: string): Promise<Round> {
  const random = new SeededRandom(seed);
  const happen = FAULTS[fault] ?? ETCD_FAULTS[fault];
  if (happen === undefined) throw new RangeError(`no fault is called ${fault}`);
  const nodes = (): NodeProcess[] => cluster.members.map(({ process }) => process);
  const load = new HistoryLoad({ nodes, random: random.fork(), name: `s${seed}` });
  let faultMs = 0;
  try {
    await pause(random.between(500, 1_500));
    const master = await cluster.master();
    faultMs = performance.now();
    await happen(cluster, master, random.fork());
    const healedMs = performance.now();
    const isAcked = () => load.acked.some(({ startMs }) => startMs > healedMs);
    await until('a write is acknowledged after the fault', isAcked, HEALED);
  } finally {
    await load.stop();
  }
  await until('every register is read', async () => load.readAll((await cluster.master()).process), HEALED);
  await untilLevel(nodes());
  check(load);
  for (const node of nodes()) await expectKept(node, load.kept);
  return {
    fault,
    acked: load.acked.length,
    reads: load.operations.filter(({ act }) => act.kind === 'read').length,
    gapMs: longestGapMs(load.acked, faultMs),
    hasFailedOver: new Set(load.acked.map(({ term }) => term)).size > 1,
  };
}

function check({ operations, acked }: HistoryLoad): void {
  const violations = violationsOf(operations);
  if (violations.length > 0) throw new Error(`not linearizable: ${violations.join('; ')}`);
  const overlaps = overlapsOf(acked);
  if (overlaps.length > 0) throw new Error(`two masters took writes: ${JSON.stringify(overlaps)}`);
}

async function expectKept(node: NodeProcess, keys: readonly string[]): Promise<void> {
  const lost: string[] = [];
  for (let at = 0; at < keys.length; at += KEYS_PER_BATCH) {
    const batch = keys.slice(at, at + KEYS_PER_BATCH);
    const operations = batch.map((key) => ({ get: { key } }));
    const { body } = await node.call('KVStore/Batch', { operations });
    lost.push(...batch.filter((_, index) => body.results?.[index]?.get?.found !== true));
  }
  if (lost.length > 0) throw new Error(`${lost.length} acknowledged writes are lost, ${lost[0]} is one`);
}

/** Between two acknowledgements, of which the second came after the fault. */
function longestGapMs(acked: readonly AckedWrite[], faultMs: number): number {
  const times = acked.map(({ endMs }) => endMs).sort((a, b) => a - b);
  const gaps = times.map((endMs, i) => (endMs < faultMs ? 0 : endMs - (times[i - 1] ?? faultMs)));
  return Math.max(0, ...gaps);
}
