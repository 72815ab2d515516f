/** `walnut info`: every metric of a node, by section. */
import type { Command } from 'commander';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show } from '../command-host.ts';
import { showBytes, showCount, showDuration } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';
import type { MetricsPage } from './metrics-page.ts';
import { readPage } from './read-figures.ts';
import { SECTIONS, type Section, sectionOf } from './sections.ts';
import { showMs } from './show-ms.ts';

export function addInfoCommand(program: Command, host: CommandHost): void {
  program
    .command('info')
    .argument('[sections...]', `some of ${SECTIONS.join(', ')}`)
    .summary('show every figure of a node, by section')
    .description(
      'Shows the metrics of a node without the prefix walnut_, with units, as docs/operations.md explains ' +
        'them: all, or those of some sections. Needs the role metrics where auth.mode is required.',
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut info
  walnut info memory log
  walnut info store --json | jq .store`,
    )
    .action(host.action(runInfo));
}

async function runInfo(invocation: Invocation): Promise<ExitCode> {
  const { args, address, colors } = invocation;
  const unknown = args.find((name) => !SECTIONS.some((each) => each === name));
  if (unknown !== undefined)
    throw new CliError(
      EXIT.usage,
      `${JSON.stringify(unknown)} is no section`,
      `Sections: ${SECTIONS.join(', ')}; all of them: walnut info`,
    );
  const page = await readPage(address);
  const figures = figuresOf(page);
  const chosen = SECTIONS.filter((each) => args.length === 0 || args.includes(each));
  await show(
    invocation,
    () =>
      Object.fromEntries(
        chosen.map((section) => [
          section,
          Object.fromEntries((figures.get(section) ?? []).map(({ name, value }) => [name, value])),
        ]),
      ),
    () =>
      chosen
        .filter((section) => figures.has(section))
        .map((section) => {
          const facts = (figures.get(section) ?? []).map(({ name, text }): [string, string] => [name, text]);
          return `${colors.bold(section)}\n${renderFacts(colors, facts)}`;
        })
        .join('\n'),
  );
  return EXIT.ok;
}

interface Figure {
  /** The name of the metric with its labels: `wal_records_total{result="written"}`. */
  readonly name: string;
  /** The value on the page; for a histogram its count. */
  readonly value: number;
  readonly text: string;
}

function figuresOf(page: MetricsPage): Map<Section, Figure[]> {
  const figures = new Map<Section, Figure[]>();
  const add = (family: string, figure: Figure): void => {
    const section = sectionOf(family);
    const known = figures.get(section);
    if (known === undefined) figures.set(section, [figure]);
    else known.push(figure);
  };
  for (const name of page.names()) {
    const histogram = /^(.*)_(bucket|sum|count)$/.exec(name);
    const isHistogram = histogram !== null && page.samples(`${histogram[1]}_bucket`).length > 0;
    if (isHistogram && histogram[2] !== 'count') continue;
    const family = isHistogram ? (histogram[1] ?? '') : name;
    for (const { labels, value } of page.samples(name)) {
      const text = isHistogram ? describeHistogram(page, family, labels) : describe(name, value);
      add(family, { name: showName(family, labels), value, text });
    }
  }
  return figures;
}

function showName(family: string, labels: Readonly<Record<string, string>>): string {
  const inner = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return `${family.replace(/^walnut_/, '')}${inner.length === 0 ? '' : `{${inner.join(',')}}`}`;
}

/** The unit is the end of the name. */
function describe(name: string, value: number): string {
  if (/_bytes(_total)?$/.test(name)) return showBytes(value);
  if (/_timestamp_seconds$|_start_time_seconds$/.test(name))
    return value === 0 ? 'never' : new Date(value * 1_000).toISOString();
  if (/_seconds(_total)?$/.test(name)) return showSeconds(value);
  if (/_ratio$/.test(name)) return `${Math.round(value * 1_000) / 10} %`;
  return showCount(value);
}

function showSeconds(seconds: number): string {
  if (seconds === Number.POSITIVE_INFINITY) return '?';
  if (Math.abs(seconds) < 1) return seconds === 0 ? '0 s' : showMs(seconds * 1_000);
  return `${seconds < 0 ? '-' : ''}${showDuration(Math.abs(seconds) * 1_000)}`;
}

function describeHistogram(
  page: MetricsPage,
  family: string,
  labels: Readonly<Record<string, string>>,
): string {
  const all = page.histogram(family, (each) =>
    Object.entries(labels).every(([name, value]) => each[name] === value),
  );
  const isTime = family.endsWith('_seconds');
  const [p50, p99] = [all.quantile(0.5), all.quantile(0.99)].map((value) => {
    if (value === undefined) return '-';
    return isTime ? showMs(value * 1_000) : showCount(Math.round(value));
  });
  return `${showCount(all.count)}, p50 ${p50}, p99 ${p99}`;
}
