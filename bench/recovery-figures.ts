/** What a start is measured by, and how rounds become a row. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** One start: seconds until the node is ready, and the process's peak memory. */
export interface StartFigures {
  readonly seconds: number;
  readonly peakBytes: number;
}

export interface RecoveryRow {
  readonly entries: number;
  readonly source: string;
  readonly fileBytes: number;
  readonly seconds: number;
  readonly entriesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly peakBytes: number;
}

export function toRow(
  entries: number,
  source: string,
  fileBytes: number,
  starts: readonly StartFigures[],
): RecoveryRow {
  const seconds = median(starts.map((start) => start.seconds));
  return {
    entries,
    source,
    fileBytes,
    seconds,
    entriesPerSecond: Math.round(entries / seconds),
    bytesPerSecond: Math.round(fileBytes / seconds),
    peakBytes: median(starts.map((start) => start.peakBytes)),
  };
}

/** Bytes of all files below `path`. */
export function directoryBytes(path: string): number {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names.reduce((sum, name) => {
    const stat = statSync(join(path, name));
    return sum + (stat.isFile() ? stat.size : 0);
  }, 0);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
