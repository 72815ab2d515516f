/** Clients over hundreds of failovers of real processes. */
import { CALL_MS_MAX, failOverUnderClients } from './client-failovers.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { attempt } from './torture-links.ts';

const CALLS = 10;
/** In a run of full length. */
const RESETS_MIN = 100;
const FULL_ROUNDS = 150;

/** Two failovers make a round. */
export async function tortureClient(report: Report, seed: number, wanted: number): Promise<void> {
  const rounds = Math.ceil(wanted / 2);
  await attempt(
    report,
    `client: again with: npm run test:torture -- --only client --seed ${seed}`,
    async () => {
      const onRound = (round: number): void => {
        if (round % 10 === 0) report.say(`client: round ${round} of ${rounds}`);
      };
      const run = await withScratch((directory) =>
        failOverUnderClients({ directory, seed, rounds, calls: CALLS, onRound }),
      );
      const { failovers, resets, done, unknown, refused, longestMs, wrong, near } = run;
      report.counts('client', { failovers, done, unknown, refused, wrong: wrong.length });
      report.counts('near cache', { resets, ...near, stale: near.stale.length });
      report.say(`the longest call took ${Math.round(longestMs)} ms`);
      if (wrong.length > 0) throw new Error(`counters are wrong: ${wrong.join('; ')}`);
      if (near.stale.length > 0)
        throw new Error(`near reads were too old: ${near.stale.slice(0, 5).join('; ')}`);
      if (longestMs > CALL_MS_MAX) throw new Error(`a call took ${longestMs} ms`);
      if ((rounds >= FULL_ROUNDS && resets < RESETS_MIN) || near.hits === 0)
        throw new Error(`the near cache had ${resets} resets and ${near.hits} hits`);
      report.pass(failovers);
    },
  );
}
