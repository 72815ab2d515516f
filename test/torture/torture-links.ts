/** Real processes with real faults in the links between them. */
import { type CutRun, cutAgainAndAgain } from './link-cuts.ts';
import { stopMaster, stopReplica } from './link-pauses.ts';
import { withScratch } from './master-process.ts';
import { breakCablesAgainAndAgain, whyNoNamespaces } from './namespaces.ts';
import type { Report } from './report.ts';

const CUTS_MIN = 300;
const CABLE_FAULTS = 60;
const STOPS = 5;
const STOPPED_MS = 120_000;
/** What a stopped replica may cost its master. */
const RSS_MIB_MAX = 32;

export async function tortureLinks(report: Report, seed: number): Promise<void> {
  const again = `again with: npm run test:torture -- --only links --seed ${seed}`;
  await attempt(report, `cuts: ${again}`, () => cuts(report, seed));
  for (let i = 0; i < STOPS; i++) {
    await attempt(report, 'a stopped master', async () => {
      await withScratch((directory) => stopMaster(directory, seed + i));
      report.pass();
    });
  }
  report.say(`SIGSTOP of a master, and of one whose replica was promoted meanwhile: ${STOPS} times each`);
  await namespaces(report, seed);
  await attempt(report, 'a stopped replica', () => stoppedReplica(report, seed));
}

async function namespaces(report: Report, seed: number): Promise<void> {
  const noNamespaces = await whyNoNamespaces();
  if (noNamespaces !== undefined) {
    report.skip(`cables between network namespaces: ${noNamespaces}`);
    return;
  }
  await attempt(report, 'cables between network namespaces', async () => {
    const run = await withScratch((directory) => breakCablesAgainAndAgain(directory, seed, CABLE_FAULTS));
    const { faults, lossy, acked, fullResyncs, partialResyncs, reasons } = run;
    report.counts('cables', { faults, lossy, acked, lost: 0, fullResyncs, partialResyncs });
    report.say(`one digest again after, ms: ${quantiles(run.healMs)}`);
    if (!run.hasNetem) report.skip('loss, delay, duplicates and reordering: this kernel has no netem');
    if (fullResyncs > 0) throw new Error(`full resyncs within retention: ${reasons.join('; ')}`);
    report.pass(faults);
  });
}

async function stoppedReplica(report: Report, seed: number): Promise<void> {
  const options = { seed, rounds: 2, windowMs: STOPPED_MS, warmUpMs: 30_000 };
  const run = await withScratch((directory) => stopReplica({ directory, ...options }));
  const mib = (bytes: number): number => Math.round(bytes / 2 ** 20);
  const { running, stopped } = run.rssBytes;
  report.counts('SIGSTOP of a replica for two minutes, twice, and as long without, by turns', {
    acked: run.acked,
    'records behind': run.lagRecordsMax,
    'full resyncs': run.fullResyncs,
    'master MiB, running': mib(running),
    'master MiB, stopped': mib(stopped),
  });
  report.say(
    `a write, ms, running: ${quantiles(run.setMs.running)}; stopped: ${quantiles(run.setMs.stopped)}`,
  );
  if (run.fullResyncs > 0) throw new Error('a full resync within retention');
  const costMib = mib(stopped - running);
  if (costMib > RSS_MIB_MAX) throw new Error(`the master took ${costMib} MiB more: at most ${RSS_MIB_MAX}`);
  report.pass();
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
