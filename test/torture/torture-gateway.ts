/** Masters killed behind two gateways, whose callers never repeat a call. */
import { failBehindGateways } from './gateway-failovers.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { attempt, quantiles } from './torture-links.ts';

export async function tortureGateway(report: Report, rounds: number): Promise<void> {
  const again = `npm run test:torture -- --only gateway --rounds ${rounds}`;
  await attempt(report, `gateway: again with: ${again}`, async () => {
    const onRound = (round: number, waitedMs: number): void =>
      report.say(`gateway: round ${round} of ${rounds}, the longest call ${Math.round(waitedMs)} ms`);
    const run = await withScratch((directory) => failBehindGateways({ directory, rounds, onRound }));
    const { tally, lost, doubled, longestMs } = run;
    const { acked, errors, below, reads, wrong } = tally;
    report.counts('gateway', { acked, errors, below, lost, doubled, reads, wrong });
    for (const line of tally.waits) report.say(`gateway: ${line}`);
    report.say(`the longest call of each round, ms: ${quantiles(longestMs)}`);
    if (errors > 0) throw new Error(`${errors} operations failed, the first with ${tally.firstError}`);
    if (lost > 0) throw new Error(`${lost} acknowledged increments are lost`);
    if (doubled > 0) throw new Error(`${doubled} increments were done twice`);
    if (wrong > 0) throw new Error(`${wrong} reads showed what was not written last: ${tally.firstWrong}`);
    report.pass(rounds);
  });
}
