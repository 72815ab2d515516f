/** At least 65,536 cuts and 524,288 flipped bits, over as many seeded two-segment logs as that takes. */
import { createDamageCounts, damageEverywhere } from './damage-matrix.ts';
import { FAILURES_MAX, type Report } from './report.ts';

const CUTS_MIN = 65_536;
const FLIPS_MIN = 524_288;

export async function tortureDamage(report: Report, firstSeed: number): Promise<void> {
  const counts = createDamageCounts();
  const startMs = Date.now();
  const failedBefore = report.failed;
  report.say(`damage: seeds from ${firstSeed}, at least ${CUTS_MIN} cuts and ${FLIPS_MIN} flipped bits`);
  for (let seed = firstSeed; counts.cuts < CUTS_MIN || counts.flips < FLIPS_MIN; seed++) {
    const before = counts.cuts + counts.flips;
    try {
      await damageEverywhere(seed >>> 0, 1, counts);
      report.pass(counts.cuts + counts.flips - before);
    } catch (error) {
      report.fail(`again with: npm run test:torture -- --only damage --seed ${seed >>> 0}`, error);
      if (report.failed >= FAILURES_MAX) break;
    }
    report.say(`damage: ${counts.cuts} cuts, ${counts.flips} flipped bits`);
  }
  report.counts('damage', counts);
  report.say(
    `damage: ${report.failed - failedBefore} wrong verdicts or values, ${Math.round((Date.now() - startMs) / 1_000)} s`,
  );
}
