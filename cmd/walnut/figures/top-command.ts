/** `walnut top`: what every node of a group does, again and again. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import { parseCount, parseDurationMs } from '../arguments.ts';
import { untilInterrupted } from '../call/call-error.ts';
import { EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, showAgain } from '../command-host.ts';
import { renderNodes } from '../group/group-status.ts';
import { showBytes, showCount, showLag } from '../output/output.ts';
import type { Colors } from '../output/terminal.ts';
import { loadOf, type NodeLoad } from './node-load.ts';
import { type GroupReading, isSilent, type NodeReading, readNodes } from './read-figures.ts';
import { showMs } from './show-ms.ts';

const INTERVAL_MS_DEFAULT = 2_000;
const INTERVAL_MS_MIN = 100;

interface TopOptions {
  readonly interval: number;
  readonly count?: number;
}

export function addTopCommand(program: Command, host: CommandHost): void {
  program
    .command('top')
    .summary('show what every node of a group does, live')
    .description(
      'Shows, for every node of the group (at a gateway: of its cluster), calls a second, hits, latency, lag, memory and log, of the time ' +
        'since the line before. Percentiles are exact to the buckets of the metrics. Needs the role monitor ' +
        'where auth.mode is required.',
    )
    .option('--interval <time>', 'the time between two looks', parseDurationMs, INTERVAL_MS_DEFAULT)
    .option('--count <n>', 'end after so many; without it on Ctrl-C', parseCount(1))
    .addHelpText(
      'after',
      `
Examples:
  walnut top
  walnut top --interval 10s
  walnut top --count 1 --json | jq '.nodes[].callsPerSecond'`,
    )
    .action(host.action<TopOptions>(runTop));
}

async function runTop(invocation: Invocation, { interval, count }: TopOptions): Promise<ExitCode> {
  const { io, address, colors } = invocation;
  const intervalMs = Math.max(INTERVAL_MS_MIN, interval);
  let before = await untilInterrupted(readNodes(address, io));
  for (let shown = 0; before !== undefined && shown !== count && !io.interrupted.aborted; shown++) {
    await delay(intervalMs, undefined, { signal: io.interrupted }).catch(() => {});
    if (io.interrupted.aborted) break;
    const now = await untilInterrupted(readNodes(address, io));
    if (now === undefined) break;
    const rows = rowsOf(before, now);
    await showAgain(
      invocation,
      () => toJson(now, rows),
      () => render(now, rows, colors),
    );
    before = now;
  }
  return EXIT.ok;
}

/** What a node did; or why that is not known. */
interface Row {
  readonly address: string;
  readonly load?: NodeLoad;
  readonly why?: string;
}

/** A node that was silent, or not known, at the look before is told from the next one on. */
function rowsOf(before: GroupReading, now: GroupReading): Row[] {
  const readings = before.nodes.filter((node): node is NodeReading => !isSilent(node));
  return now.nodes.map((node): Row => {
    const { address } = node;
    if (isSilent(node)) return { address, why: node.failure.message };
    const earlier = readings.find((each) => each.status.nodeId === node.status.nodeId);
    if (earlier === undefined) return { address, why: 'it answers now, and is told at the next look' };
    return { address, load: loadOf(earlier, node) };
  });
}

function toJson({ isWhole }: GroupReading, rows: readonly Row[]): Record<string, unknown> {
  const nodes = rows.map(({ address, load, why }) =>
    load === undefined ? { address, error: why } : { address, ...load },
  );
  return { nodes, whole: isWhole };
}

const HEAD = [
  'NODE',
  'ROLE',
  'STATE',
  'CALLS/S',
  'FAULTS/S',
  'HITS',
  'P50',
  'P99',
  'FSYNC P99',
  'CPU',
  'BEHIND',
  'ENTRIES',
  'STORE',
  'MEMORY',
  'LOG',
];

function render({ isWhole }: GroupReading, rows: readonly Row[], colors: Colors): string {
  const cells = rows.map(({ address, load }) =>
    load === undefined ? [address, '-', '-'] : [address, ...cellsOf(load, colors)],
  );
  const notes = rows.flatMap(({ address, why }): [string, string][] =>
    why === undefined ? [] : [[address, colors.yellow(why)]],
  );
  return renderNodes({ head: HEAD, rows: cells, notes, isWhole }, colors);
}

function cellsOf(load: NodeLoad, colors: Colors): string[] {
  const percent = (part: number | null): string => (part === null ? '-' : `${Math.round(100 * part)} %`);
  const faults = showCount(Math.round(load.faultsPerSecond));
  return [
    load.role,
    load.ready ? load.state : colors.yellow(`${load.state}, not ready`),
    showCount(Math.round(load.callsPerSecond)),
    load.faultsPerSecond === 0 ? faults : colors.red(faults),
    percent(load.hitRatio),
    showMs(load.p50Ms),
    showMs(load.p99Ms),
    showMs(load.fsyncP99Ms),
    percent(load.processor),
    load.lagMs === null ? '-' : showLag(load.lagMs),
    showCount(load.entries),
    showBytes(load.storeBytes),
    showBytes(load.residentBytes),
    showBytes(load.logBytes),
  ];
}
