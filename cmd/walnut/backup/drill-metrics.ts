/**
 * Writes the metrics of a drill in the form that node_exporter's textfile collector reads.
 * The file is replaced atomically. When a drill fails, the time of the last success is
 * carried over from the old file, so that an alert can use its age.
 */
import { lstat, readFile } from 'node:fs/promises';
import type { DrillReport } from '#backup/drill.ts';
import type { Invocation } from '../command-host.ts';
import { replaceFile } from '../replace-file.ts';

/** The collector runs as another user. */
const MODE = 0o644;
const LAST_SUCCESS = 'walnut_drill_last_success_timestamp_seconds';

/** Beside the metrics of the drill of a node, which may be left on the same machine. */
export const CLUSTER_LABEL = '{of="cluster"}';

/** A name without label, its help and its value. */
export type Gauge = readonly [string, string, number];

export interface DrillOutcome {
  readonly isPassed: boolean;
  readonly gauges: readonly Gauge[];
}

/**
 * `path`: of `--metrics-file`. A file that cannot be written is told, and changes neither the
 * report nor the exit code of the drill.
 */
export async function leaveDrillMetrics(
  { io }: Invocation,
  path: string | undefined,
  outcome: DrillOutcome | undefined,
  nowMs: number,
  label = '',
): Promise<void> {
  if (path === undefined) return;
  await writeDrillMetrics(path, outcome, nowMs, label).catch((error: Error) =>
    io.note(
      `warning: no metrics were left: ${error.message}\n` +
        'Name a file in a directory that this user can write to: --metrics-file FILE\n',
    ),
  );
}

/** `outcome`: undefined if the drill failed before it had one. */
async function writeDrillMetrics(
  path: string,
  outcome: DrillOutcome | undefined,
  nowMs: number,
  label: string,
): Promise<void> {
  await refuseOtherThanFile(path);
  const lastSuccess = outcome?.isPassed === true ? nowMs / 1_000 : await readLastSuccess(path, label);
  await replaceFile(path, renderDrillMetrics(outcome, nowMs / 1_000, lastSuccess, label), MODE);
}

/** Renaming would replace a device, a pipe or a link by a plain file. */
async function refuseOtherThanFile(path: string): Promise<void> {
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (found !== undefined && !found.isFile())
    throw new Error(`${path} is no plain file, and is not replaced`);
}

/** Seconds since 1970; 0: never. */
async function readLastSuccess(path: string, label: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const start = `${LAST_SUCCESS}${label} `;
  const line = text.split('\n').find((one) => one.startsWith(start));
  return Number(line?.slice(start.length) ?? 0) || 0;
}

/** Pure. */
function renderDrillMetrics(
  outcome: DrillOutcome | undefined,
  nowSeconds: number,
  lastSuccess: number,
  label: string,
): string {
  const gauges: Gauge[] = [
    [LAST_SUCCESS, 'When a recovery drill last passed; 0: never.', lastSuccess],
    ['walnut_drill_last_run_timestamp_seconds', 'When the last recovery drill ended.', nowSeconds],
    ['walnut_drill_success', '1 if the last recovery drill passed.', outcome?.isPassed === true ? 1 : 0],
    ...(outcome?.gauges ?? []),
  ];
  return gauges
    .map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name}${label} ${value}\n`)
    .join('');
}

export function outcomeOfNode(report: DrillReport): DrillOutcome {
  return { isPassed: report.isPassed, gauges: recoveryGauges(figuresOf(report)) };
}

/** `seconds`: of the group that took longest. */
export function recoveryGauge(seconds: number): Gauge {
  return ['walnut_drill_recovery_seconds', 'The longest recovery of the last drill.', seconds];
}

function recoveryGauges(worst: DrillFigures): Gauge[] {
  return [
    recoveryGauge(worst.recoverySeconds),
    ['walnut_drill_lost_records', 'The most records that a cut of the last drill took.', worst.lostRecords],
    ['walnut_drill_records_per_second', 'Records replayed per second of recovery.', worst.recordsPerSecond],
    ['walnut_drill_bytes_per_second', 'Bytes read per second of recovery.', worst.bytesPerSecond],
  ];
}

export interface DrillFigures {
  /** RTO: the longest recovery. */
  readonly recoverySeconds: number;
  /** RPO: the most records lost against the log's end. */
  readonly lostRecords: number;
  readonly recordsPerSecond: number;
  readonly bytesPerSecond: number;
}

/** The worst run, and the rates of all runs together. */
export function figuresOf({ runs }: DrillReport): DrillFigures {
  const seconds = runs.reduce((sum, { recoveryMs }) => sum + recoveryMs, 0) / 1_000;
  const rate = (count: number): number => (seconds === 0 ? 0 : Math.round(count / seconds));
  return {
    recoverySeconds: Math.max(0, ...runs.map(({ recoveryMs }) => recoveryMs)) / 1_000,
    lostRecords: Math.max(0, ...runs.map(({ lostRecords }) => lostRecords)),
    recordsPerSecond: rate(runs.reduce((sum, { records }) => sum + records, 0)),
    bytesPerSecond: rate(runs.reduce((sum, { bytes }) => sum + bytes, 0)),
  };
}
