/** Certificates, tokens and users of a real master, changed again and again under load. */
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { rotateAgainAndAgain } from './rotations.ts';
import { attempt, quantiles } from './torture-links.ts';

const ROUNDS = 20;
/** A file is read every second, and once more half a second after it changed. */
const OUT_MS_MAX = 2_000;

export async function tortureRotations(report: Report): Promise<void> {
  await attempt(report, 'rotations: again with: npm run test:torture -- --only rotations', async () => {
    const onRound = (round: number): void => {
      if (round % 5 === 0) report.say(`rotations: round ${round} of ${ROUNDS}`);
    };
    const { writes, connected, failures, callsOutMs, streamsOutMs } = await withScratch((directory) =>
      rotateAgainAndAgain(directory, ROUNDS, onRound),
    );
    report.counts('rotations', { rounds: ROUNDS, writes, connected, failures: failures.length });
    report.say(`calls of removed users were refused after, ms: ${quantiles(callsOutMs)}`);
    report.say(`their streams ended after, ms: ${quantiles(streamsOutMs)}`);
    if (failures.length > 0) throw new Error(`writes of users that stay failed: ${failures.join('; ')}`);
    if (Math.max(...callsOutMs, ...streamsOutMs) > OUT_MS_MAX)
      throw new Error(`a removed user was in for longer than ${OUT_MS_MAX} ms`);
    report.pass(ROUNDS);
  });
}
