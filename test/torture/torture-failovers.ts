/** Masters of real processes handed over, killed and replaced, again and again. */
import { failAgainAndAgain } from './failovers.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { attempt, quantiles } from './torture-links.ts';

const ROUNDS = 20;
const LOAD_MS = 1_000;

export async function tortureFailovers(report: Report): Promise<void> {
  await attempt(report, 'failovers: again with: npm run test:torture -- --only failovers', async () => {
    const onRound = (round: number): void => report.say(`failovers: round ${round} of ${ROUNDS}`);
    const run = await withScratch((directory) =>
      failAgainAndAgain({ directory, rounds: ROUNDS, loadMs: LOAD_MS, onRound }),
    );
    const { acked, lost, promotions, setAside, pausedMs } = run;
    report.counts('failovers', { planned: pausedMs.length, promotions, acked, lost, setAside });
    report.say(`writes waited in each planned one, ms: ${quantiles(pausedMs)}`);
    if (lost > 0) throw new Error(`${lost} acknowledged writes are lost`);
    report.pass(2 * ROUNDS);
  });
}
