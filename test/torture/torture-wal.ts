/**
 * The write path on memory disks, for as long as told: simulation after
 * simulation from consecutive seeds, and at the start one where the power goes
 * at every single call. At least `POWER_CUTS_MIN` cuts are made, whatever the time.
 */
import { FAILURES_MAX, type Report } from './report.ts';
import { createCounts, simulate, simulateEveryCall } from './simulation.ts';

const POWER_CUTS_MIN = 20_000;
const EVERY_CALL_SEEDS = 20;
const PROGRESS_MS = 30_000;

export async function tortureWal(report: Report, firstSeed: number, seconds: number): Promise<void> {
  const counts = createCounts();
  const startMs = Date.now();
  let toldMs = startMs;
  report.say(`wal: seeds from ${firstSeed}, ${seconds} s, at least ${POWER_CUTS_MIN} power cuts`);
  for (let i = 0; i < EVERY_CALL_SEEDS; i++) {
    const seed = (firstSeed + i) >>> 0;
    await attempt(report, `npm run test:torture -- --only wal --seed ${seed}`, async () => {
      const calls = await simulateEveryCall(seed, counts);
      report.say(`wal: seed ${seed}: the power went at each of ${calls} calls`);
    });
  }
  let seed = firstSeed;
  while (report.failed < FAILURES_MAX) {
    if (Date.now() - startMs >= seconds * 1_000 && counts.powerCuts >= POWER_CUTS_MIN) break;
    const current = seed++ >>> 0;
    await attempt(report, `npm run test:torture -- --only wal --seed ${current}`, () =>
      simulate(current, counts),
    );
    if (Date.now() - toldMs < PROGRESS_MS) continue;
    toldMs = Date.now();
    report.say(`wal: ${counts.lives} lives, ${counts.powerCuts} power cuts, next seed ${seed >>> 0}`);
  }
  const { faults, ...rest } = counts;
  report.counts('wal', rest);
  report.counts('wal, lives per fault', faults);
  report.say(
    `wal: seeds ${firstSeed} .. ${(seed - 1) >>> 0}, ${Math.round((Date.now() - startMs) / 1_000)} s`,
  );
}

async function attempt(report: Report, again: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
    report.pass();
  } catch (error) {
    report.fail(`again with: ${again}`, error);
  }
}
