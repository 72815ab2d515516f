/** Masters killed behind two gateways, whose callers never repeat a call. */
import { failBehindGateways } from './gateway-failovers.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';
import { attempt, quantiles } from './torture-links.ts';

const CALLERS = 16;

export async function tortureGateway(report: Report, rounds: number): Promise<void> {
  const again = `npm run test:torture -- --only gateway --rounds ${rounds}`;
  await attempt(report, `gateway: again with: ${again}`, async () => {
    const onRound = (round: number, waitedMs: number): void =>
      report.say(`gateway: round ${round} of ${rounds}, the longest call ${Math.round(waitedMs)} ms`);
    const run = await withScratch((directory) =>
      failBehindGateways({ directory, rounds, callers: CALLERS, onRound }),
    );
    const { waitsMs, firstError, ...counts } = run;
    report.counts('gateway', counts);
    report.say(`the longest call of each round, ms: ${quantiles([...waitsMs])}`);
    if (run.errors > 0) throw new Error(`${run.errors} calls failed, the first with ${firstError}`);
    if (run.lost > 0) throw new Error(`${run.lost} acknowledged increments are lost`);
    if (run.doubled > 0) throw new Error(`${run.doubled} increments were done twice`);
    report.pass(rounds);
  });
}
