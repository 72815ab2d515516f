/**
 * `npm run bench`: measures, and compares with others in the same run. Nothing
 * is asserted here but with `--against`, and there only ratios.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { findSwallowed } from '#platform/npm-options.ts';
import { compare, formatComparison, isWorse } from './against.ts';
import { drawChart } from './chart.ts';
import { CHART_ROWS } from './chart-rows.ts';
import { type BenchReport, describeMachine, formatSuite, type SuiteReport, toJson } from './report.ts';
import { OPTIONS, type OptionName, type Options, SUITES, type Suite } from './suites.ts';
import { USAGE } from './usage.ts';

class UsageError extends Error {}

const BASELINE = 'bench/baseline.json';
const CHART = 'docs/bench.svg';

interface Order {
  readonly suites: readonly Suite[];
  readonly options: Options;
  /** Files to write to and to compare with. */
  readonly json: string | undefined;
  readonly baseline: BenchReport | undefined;
}

const FLAGS = Object.fromEntries(
  [...Object.keys(OPTIONS), 'json', 'against'].map((name) => [name, { type: 'string' }] as const),
);

function readOrder(argv: readonly string[]): Order {
  const { values, positionals } = parseArgs({ args: [...argv], options: FLAGS, allowPositionals: true });
  const known = Object.keys(SUITES);
  for (const name of positionals) {
    if (!known.includes(name)) throw new UsageError(`expected a suite (${known.join(', ')}), got ${name}`);
  }
  const { json, against, ...given } = values as Record<string, string | undefined>;
  // Known before anything is measured.
  if (json !== undefined && (json === '' || !existsSync(dirname(json))))
    throw new UsageError(`--json: expected a file in a directory that is there, got ${JSON.stringify(json)}`);
  const baseline = against === undefined ? undefined : readReport(against);
  const comparable = baseline?.suites.map(({ suite }) => suite) ?? known;
  const names = positionals.length > 0 ? positionals : comparable;
  const missing = names.filter((name) => !comparable.includes(name) || !known.includes(name));
  if (missing.length > 0)
    throw new UsageError(`${against} has nothing to compare ${missing.join(', ')} with`);
  const suites = names.map((name) => SUITES[name] as Suite);
  const options: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(given)) {
    const option = OPTIONS[name as OptionName];
    if (!suites.some(({ takes }) => takes.includes(name as OptionName)))
      throw new UsageError(`--${name} is no option of ${names.join(', ')}`);
    const value = option.read(text ?? '');
    if (value === undefined) throw new UsageError(`--${name}: expected ${option.expected}, got ${text}`);
    options[name] = value;
  }
  return { suites, options: options as Options, json, baseline };
}

async function run({ suites, options, json, baseline }: Order): Promise<void> {
  const reports: SuiteReport[] = [];
  for (const suite of suites) {
    const report = await suite.run(options);
    process.stdout.write(`${formatSuite(report)}\n`);
    reports.push(report);
  }
  if (reports.every(({ pairs, figures }) => pairs.length + figures.length === 0))
    throw new UsageError(`--only: nothing that is measured has ${JSON.stringify(options.only)} in its name`);
  const machine = describeMachine();
  const report: BenchReport = { format: 1, date: today(), machine, suites: reports };
  process.stdout.write(
    `Node ${machine.node}, ${machine.cores} cores of ${machine.cpu}. Medians of rounds.\n`,
  );
  if (json !== undefined) writeFileSync(json, toJson(report));
  if (baseline === undefined) return;
  const comparison = compare(baseline, report);
  process.stdout.write(formatComparison(comparison));
  if (isWorse(comparison)) process.exitCode = 1;
}

/** From the baseline, or the file named, to where the README has it. */
function chart([file = BASELINE, ...more]: readonly string[]): void {
  if (more.length > 0 || file.startsWith('-'))
    throw new UsageError('chart: expected at most a file that --json wrote');
  writeFileSync(CHART, drawChart(readReport(file), CHART_ROWS));
  process.stdout.write(`${CHART} drawn from ${file}\n`);
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function readReport(file: string): BenchReport {
  let report: BenchReport;
  try {
    report = JSON.parse(readFileSync(file, 'utf8')) as BenchReport;
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
  if (report.format !== 1) throw new UsageError(`${file} is not what --json writes: expected "format": 1`);
  return report;
}

function isUsage(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && String(Reflect.get(error, 'code')).startsWith('ERR_PARSE_ARGS');
}

async function main(argv: readonly string[]): Promise<void> {
  const swallowed = findSwallowed(process.env, 'bench', Object.keys(FLAGS));
  if (swallowed !== undefined) throw new UsageError(`${swallowed.message}\n${swallowed.advice}`);
  const [first, ...rest] = argv;
  if (argv.includes('--help') || argv.includes('-h')) process.stdout.write(USAGE);
  else if (first === 'chart') chart(rest);
  else await run(readOrder(argv));
}

main(process.argv.slice(2)).catch((error: unknown) => {
  if (!isUsage(error)) throw error;
  process.stderr.write(`bench: ${error.message}\nSee npm run bench -- --help.\n`);
  process.exitCode = 2;
});
