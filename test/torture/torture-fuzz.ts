/** A million mutated messages against a real edge. */
import { fuzz } from './fuzz.ts';
import type { Report } from './report.ts';
import { attempt } from './torture-links.ts';

const MESSAGES = 1_000_000;
const MESSAGES_OF_ROUND = 50_000;

/** `seed`: of the first round; each other has the next one. */
export async function tortureFuzz(report: Report, seed: number): Promise<void> {
  for (let round = 0; round < MESSAGES / MESSAGES_OF_ROUND; round++) {
    const own = seed + round;
    await attempt(report, `fuzz: again with: npm run test:torture -- --only fuzz --seed ${own}`, async () => {
      const counts = await fuzz(own, MESSAGES_OF_ROUND);
      report.counts(`fuzz, seed ${own}`, counts);
      report.pass(counts.messages);
    });
  }
}
