/**
 * Whole groups on memory disks and a virtual clock, from consecutive seeds:
 * at least `RUNS_MIN` runs in which faults happened, and on until the time is over.
 */
import { SimulatedGroup } from '#test/node/simulated-group.ts';
import { RunTally } from '#test/node/simulated-runs.ts';
import { FAILURES_MAX, type Report } from './report.ts';

export const RUNS_MIN = 20_000;
const PROGRESS_MS = 30_000;

export async function tortureGroups(report: Report, firstSeed: number, seconds: number): Promise<void> {
  const tally = new RunTally();
  const startMs = Date.now();
  let toldMs = startMs;
  let seed = firstSeed;
  report.say(`groups: seeds from ${firstSeed}, ${seconds} s, at least ${RUNS_MIN} runs`);
  while (report.failed < FAILURES_MAX) {
    if (Date.now() - startMs >= seconds * 1_000 && tally.counted >= RUNS_MIN) break;
    const current = seed++ >>> 0;
    const group = new SimulatedGroup(current);
    try {
      await group.run();
      tally.add(group);
      report.pass();
    } catch (error) {
      const again = `npm run test:torture -- --only groups --seed ${current}`;
      report.fail(`again with: ${again}\n  ${group.trace.join('\n  ')}`, error);
    }
    if (Date.now() - toldMs < PROGRESS_MS) continue;
    toldMs = Date.now();
    report.say(`groups: ${tally.counted} runs, next seed ${seed >>> 0}`);
  }
  report.say(`groups: ${tally.describe()}`);
  report.say(
    `groups: seeds ${firstSeed} .. ${(seed - 1) >>> 0}, ${Math.round((Date.now() - startMs) / 1_000)} s`,
  );
}
