/**
 * Groups under coordinators, on a virtual clock, from consecutive seeds: at least
 * `RUNS_MIN` runs, and on until the time is over.
 */
import { clusterOf, runFaults } from '#test/coordinator/simulated-faults.ts';
import { FAILURES_MAX, type Report } from './report.ts';

export const RUNS_MIN = 20_000;
const PROGRESS_MS = 30_000;

export async function tortureClusters(report: Report, firstSeed: number, seconds: number): Promise<void> {
  const startMs = Date.now();
  let toldMs = startMs;
  let runs = 0;
  let failovers = 0;
  report.say(`clusters: seeds from ${firstSeed}, ${seconds} s, at least ${RUNS_MIN} runs`);
  while (report.failed < FAILURES_MAX) {
    if (Date.now() - startMs >= seconds * 1_000 && runs >= RUNS_MIN) break;
    const seed = (firstSeed + runs++) >>> 0;
    const cluster = clusterOf(seed);
    try {
      await runFaults(cluster);
      failovers += cluster.failovers;
      report.pass();
    } catch (error) {
      const again = `WALNUT_SEED=${seed} npm test -- test/coordinator/simulation`;
      report.fail(`again with: ${again}\n  ${cluster.trace.join('\n  ')}`, error);
    }
    if (Date.now() - toldMs < PROGRESS_MS) continue;
    toldMs = Date.now();
    report.say(`clusters: ${runs} runs, ${failovers} failovers`);
  }
  const tookS = Math.round((Date.now() - startMs) / 1_000);
  report.say(`clusters: ${runs} runs from seed ${firstSeed}, ${failovers} failovers, ${tookS} s`);
}
