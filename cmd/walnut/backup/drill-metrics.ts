/**
 * Writes the metrics of a drill in the form that node_exporter's textfile collector reads.
 * The file is replaced atomically. When a drill fails, the time of the last success is
 * carried over from the old file, so that an alert can use its age.
 */
import { lstat, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { DrillReport } from '#backup/drill.ts';

/** The collector runs as another user. */
const MODE = 0o644;
const LAST_SUCCESS = 'walnut_drill_last_success_timestamp_seconds';

/** `report`: undefined if the drill failed before it had one. */
export async function writeDrillMetrics(
  path: string,
  report: DrillReport | undefined,
  nowMs: number,
): Promise<void> {
  await refuseOtherThanFile(path);
  const lastSuccess = report?.isPassed === true ? nowMs / 1_000 : await readLastSuccess(path);
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, renderDrillMetrics(report, nowMs / 1_000, lastSuccess), { mode: MODE });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
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
async function readLastSuccess(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch(() => '');
  const match = new RegExp(`^${LAST_SUCCESS} ([0-9.]+)$`, 'm').exec(text);
  return match === null ? 0 : Number(match[1]);
}

/** Pure. */
export function renderDrillMetrics(
  report: DrillReport | undefined,
  nowSeconds: number,
  lastSuccess: number,
): string {
  const gauges: [string, string, number][] = [
    [LAST_SUCCESS, 'When a recovery drill last passed; 0: never.', lastSuccess],
    ['walnut_drill_last_run_timestamp_seconds', 'When the last recovery drill ended.', nowSeconds],
    ['walnut_drill_success', '1 if the last recovery drill passed.', report?.isPassed === true ? 1 : 0],
    ...(report === undefined ? [] : recoveryGauges(figuresOf(report))),
  ];
  return gauges
    .map(([name, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`)
    .join('');
}

function recoveryGauges(worst: DrillFigures): [string, string, number][] {
  return [
    ['walnut_drill_recovery_seconds', 'The longest recovery of the last drill.', worst.recoverySeconds],
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
