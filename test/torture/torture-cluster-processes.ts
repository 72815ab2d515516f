/**
 * Masters of a cluster of real processes killed, stopped and cut off, from consecutive
 * seeds; on an etcd of three members where it is installed.
 */
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { EtcdProcess, HAS_ETCD } from '#test/metadata/etcd-process.ts';
import { faultOf, type Round, runRound } from './cluster-rounds.ts';
import { withScratch } from './master-process.ts';
import { ProcessCluster } from './process-cluster.ts';
import { FAILURES_MAX, type Report } from './report.ts';

export async function tortureClusterProcesses(
  report: Report,
  firstSeed: number,
  rounds: number,
): Promise<void> {
  if (process.platform !== 'linux')
    return report.skip('cluster-processes: callers are told apart by addresses that only Linux has');
  if (!HAS_ETCD) report.skip('cluster-processes: members of etcd, which is not installed; on a file');
  report.say(`cluster-processes: seeds from ${firstSeed}, ${rounds} rounds`);
  const done: Round[] = [];
  let seed = firstSeed;
  // A failed round may leave anything behind, so the next one begins with a new cluster.
  while (seed < firstSeed + rounds && report.failed < FAILURES_MAX)
    seed = await runOn(report, seed, firstSeed + rounds, done);
  sum(report, done);
}

/** Runs rounds until one fails; the seed of the next one. */
async function runOn(report: Report, firstSeed: number, endSeed: number, done: Round[]): Promise<number> {
  const etcd = HAS_ETCD ? await EtcdProcess.start(3) : undefined;
  let seed = firstSeed;
  try {
    await withScratch(async (directory) => {
      const random = new SeededRandom(firstSeed);
      const cluster = await ProcessCluster.start({ directory, random, etcd });
      try {
        for (; seed < endSeed; seed++) {
          const round = await runRound(cluster, seed, faultOf(seed, HAS_ETCD));
          done.push(round);
          report.pass();
          const { fault, acked, gapMs } = round;
          report.say(`seed ${seed}: ${fault}; ${acked} acked, ${Math.round(gapMs)} ms without`);
        }
      } catch (error) {
        report.say(cluster.describe());
        throw error;
      } finally {
        await cluster.destroy();
      }
    });
  } catch (error) {
    const again = `npm run test:torture -- --only cluster-processes --rounds 1 --seed ${seed}`;
    report.fail(`${faultOf(seed, HAS_ETCD)}: again with: ${again}`, error);
    seed += 1;
  } finally {
    await etcd?.stop();
  }
  return seed;
}

function sum(report: Report, done: readonly Round[]): void {
  const total = (count: (round: Round) => number): number =>
    done.reduce((all, round) => all + count(round), 0);
  report.counts('cluster-processes', {
    rounds: done.length,
    'rounds with a failover': total(({ hasFailedOver }) => Number(hasFailedOver)),
    acked: total(({ acked }) => acked),
    reads: total(({ reads }) => reads),
    lost: 0,
    overlaps: 0,
  });
  for (const [fault, rounds] of Map.groupBy(done, (round) => round.fault))
    report.say(`longest time without an acknowledged write, ms, ${fault}: ${spread(rounds)}`);
}

/** `p50 3400, p90 3900, max 4100, of 27`. */
function spread(rounds: readonly Round[]): string {
  const sorted = rounds.map(({ gapMs }) => Math.round(gapMs)).sort((a, b) => a - b);
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return `p50 ${at(0.5)}, p90 ${at(0.9)}, max ${at(1)}, of ${sorted.length}`;
}
