/**
 * `walnut drill`: recovers a copy of a node's log and reports whether it succeeded, how
 * long it took and which record it reached.
 */
import { tmpdir } from 'node:os';
import { type Command, Option } from 'commander';
import { type DrillReport, type DrillRun, runDrill } from '#backup/drill.ts';
import { CUT_KINDS, type CutKind } from '#backup/drill-cuts.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { toLsn } from '#model/position.ts';
import { parseCount, parsePath } from '../arguments.ts';
import { createNodeClients, longCall } from '../call/connection.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, usageError } from '../command-host.ts';
import { cleanPath, createFileParts, onFiles } from '../log/log-files.ts';
import { countOf, showBytes, showCount, showDuration } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import { type DrillOutcome, figuresOf, leaveDrillMetrics, outcomeOfNode } from './drill-metrics.ts';
import { Scratch } from './scratch.ts';
import { createSeededRandom } from './seeded-cuts.ts';

const RUNS_DEFAULT = 3;

interface DrillCommandOptions {
  readonly from: string;
  readonly cut: CutKind;
  readonly seed?: number;
  readonly runs?: number;
  readonly scratch?: string;
  readonly keep?: boolean;
  readonly metricsFile?: string;
}

export function addDrillCommand(program: Command, host: CommandHost): void {
  program
    .command('drill')
    .summary('recover a copy of a node’s log to prove that it works')
    .description(
      'Copies the log of a node, running or stopped, into a scratch directory, cuts it as --cut says, ' +
        'recovers it with the code of every start, and compares the state with an independent replay. ' +
        'The node is not disturbed. Exits 1 on damage or if the states differ.',
    )
    .requiredOption('--from <dir>', 'wal.directory of the node', parsePath)
    .addOption(
      new Option(
        '--cut <where>',
        'where to cut the log: at its end, within the last record, ' +
          'after each segment in turn, or at random bytes',
      )
        .choices([...CUT_KINDS])
        .default('none'),
    )
    .option('--seed <n>', 'seed of --cut random (default: chosen and shown)', parseCount(0, 2 ** 32 - 1))
    .option('--runs <n>', `number of cuts of --cut random (default: ${RUNS_DEFAULT})`, parseCount(1, 10_000))
    .option(
      '--scratch <dir>',
      'where to make the copy (default: the system’s temporary directory)',
      parsePath,
    )
    .option('--keep', 'keep the copy and the last recovered directory')
    .option('--metrics-file <file>', 'write the result for node_exporter’s textfile collector', parsePath)
    .addHelpText(
      'after',
      `
Reported: RTO, the longest recovery; RPO, the most records that a cut took; records and bytes per
second; the first bad record where the node's files are damaged. With --address, the digest of the
running node is compared too, at the position it gave before the copy was made. The scratch directory takes twice
the size of snapshot and log, and the process as much memory as the data.

Examples:
  walnut drill --from data/master
  walnut drill --from data/master --address 127.0.0.1:8080
  walnut drill --from data/slave-1 --cut random --runs 20 --seed 7 --json
  walnut drill --from data/master --metrics-file /var/lib/node_exporter/walnut_drill.prom`,
    )
    .action(async (...args: unknown[]) => {
      // The state is compared only if --address was given: the option has a default.
      const isLive = program.getOptionValueSource('address') === 'cli';
      await host.action<DrillCommandOptions>((invocation, options) =>
        runCommand(invocation, options, isLive),
      )(...args);
    });
}

async function runCommand(
  invocation: Invocation,
  options: DrillCommandOptions,
  isLive: boolean,
): Promise<ExitCode> {
  if (options.cut !== 'random' && (options.seed ?? options.runs) !== undefined)
    throw usageError('--seed and --runs are of --cut random', 'Add --cut random, or leave them out.');
  const parts = createFileParts();
  const seed = options.seed ?? parts.random.uint32();
  const { metricsFile } = options;
  const leaveMetrics = (outcome: DrillOutcome | undefined): Promise<void> =>
    leaveDrillMetrics(invocation, metricsFile, outcome, parts.clock.wallMs());
  const scratch = new Scratch(options.scratch ?? tmpdir());
  const drill = async (): Promise<DrillReport> => {
    const live = isLive ? await askDigest(invocation) : undefined;
    return runDrill(parts, {
      from: cleanPath(options.from),
      scratch: await scratch.make(),
      cut: options.cut,
      random: createSeededRandom(seed),
      runs: options.runs ?? RUNS_DEFAULT,
      live,
      signal: invocation.io.interrupted,
    });
  };
  const isKept = options.keep === true;
  const report = await scratch
    .during(() => onFiles(drill), isKept)
    .catch(async (error: unknown) => {
      await leaveMetrics(undefined);
      throw error;
    });
  if (invocation.io.interrupted.aborted) return EXIT.interrupted;
  await leaveMetrics(outcomeOfNode(report));
  const kept = isKept ? scratch.path : undefined;
  await showReport(invocation, report, { ...options, seed, kept });
  return report.isPassed ? EXIT.ok : EXIT.negative;
}

/** Called before the copy is made, so that the copy contains the position. */
async function askDigest({ address, io }: Invocation): Promise<DigestAnswer> {
  const { position, entries, digest } = await createNodeClients(address).admin.digest({}, longCall(io));
  return {
    position: { epoch: Number(position?.epoch ?? 0n), lsn: toLsn(Number(position?.lsn ?? 0n)) },
    entries: Number(entries),
    digest,
  };
}

interface Shown {
  readonly from: string;
  readonly cut: CutKind;
  readonly seed: number;
  readonly kept: string | undefined;
}

async function showReport(invocation: Invocation, report: DrillReport, shown: Shown): Promise<void> {
  const { from, cut, seed, kept } = shown;
  const figures = figuresOf(report);
  await show(
    invocation,
    () => ({
      isPassed: report.isPassed,
      from,
      cut,
      ...(cut === 'random' ? { seed } : {}),
      ...figures,
      lastLsn: report.lastLsn,
      entries: report.entries,
      digest: report.digest,
      live: report.live,
      firstBad: report.firstBad ?? null,
      runs: report.runs.map((run) => ({ ...run, failure: run.failure ?? null })),
      ...(kept === undefined ? {} : { kept }),
    }),
    () => renderReport(invocation, report, shown),
  );
}

function renderReport({ colors }: Invocation, report: DrillReport, { cut, seed, kept }: Shown): string {
  const { recoverySeconds, lostRecords, recordsPerSecond, bytesPerSecond } = figuresOf(report);
  const { firstBad } = report;
  const verdict = report.isPassed ? colors.green('passed') : colors.red('failed');
  if (firstBad !== undefined) {
    const where = `${firstBad.file}: byte ${firstBad.byte}, LSN ${firstBad.lsn}`;
    return renderFacts(colors, [
      ['drill', verdict],
      ['first bad record', colors.red(`${where}: ${firstBad.why}`)],
    ]);
  }
  const facts = renderFacts(colors, [
    ['drill', cut === 'random' ? `${verdict}, seed ${seed}` : verdict],
    ['log', `LSN ${report.lastLsn}, ${countOf(report.entries, 'entry', 'entries')}, digest ${report.digest}`],
    ['live node', report.live === 'different' ? colors.red(report.live) : report.live],
    ['RTO', showDuration(recoverySeconds * 1_000)],
    ['RPO', `${countOf(lostRecords, 'record')}`],
    ['rate', `${showCount(recordsPerSecond)} records/s, ${showBytes(bytesPerSecond)}/s`],
    ...(kept === undefined ? [] : [['kept in', kept] as const]),
  ]);
  const rows = report.runs.map((run) => [
    run.cut,
    String(run.recoveredLsn),
    showCount(run.lostRecords),
    showDuration(run.recoveryMs),
    outcomeOf(run),
  ]);
  return `${facts}\n${renderTable(colors, ['CUT', 'RECOVERED LSN', 'LOST', 'TOOK', 'OUTCOME'], rows)}`;
}

function outcomeOf({ failure }: DrillRun): string {
  return failure === undefined ? 'as expected' : `failed: ${failure}`;
}
