/** What a start is measured by, and how rounds become a row. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { median } from './figures.ts';

/** One start, and what it cost the process. */
export interface StartFigures {
  /** Of recovering: without what a process needs before it can begin. */
  readonly seconds: number;
  /** From the start of the process until it is ready. */
  readonly readySeconds: number;
  /** What all threads of the process computed until then. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

/** A system with its files in place, to be started again and again. */
export interface Subject {
  readonly source: string;
  /** The subject it is compared with. */
  readonly versus: string | undefined;
  readonly path: string;
  readonly start: () => Promise<StartFigures>;
}

/** Seconds and bytes are medians of the rounds; `secondsMin` and `secondsMax` their spread. */
export interface RecoveryRow {
  readonly entries: number;
  readonly source: string;
  readonly fileBytes: number;
  readonly seconds: number;
  readonly secondsMin: number;
  readonly secondsMax: number;
  readonly readySeconds: number;
  readonly cpuSeconds: number;
  readonly entriesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly peakBytes: number;
  /** Entries a second over those of `versus`, in the same run: 1 or more is at or above it. */
  readonly versus: string | undefined;
  readonly ratio: number | undefined;
}

/** Starts each subject once a round, in turn, so that all meet the same weather; then the rows. */
export async function measureInTurn(
  entries: number,
  subjects: readonly Subject[],
  rounds: number,
): Promise<RecoveryRow[]> {
  const starts = new Map<string, StartFigures[]>(subjects.map(({ source }) => [source, []]));
  for (let round = 0; round < rounds; round++) {
    for (const { source, start } of subjects) starts.get(source)?.push(await start());
  }
  const figuresOf = (source: string, figure: keyof StartFigures): number[] =>
    (starts.get(source) ?? []).map((one) => one[figure]);
  return subjects.map(({ source, versus, path }) => {
    const all = figuresOf(source, 'seconds');
    const seconds = median(all);
    const fileBytes = directoryBytes(path);
    const others = versus === undefined ? [] : figuresOf(versus, 'seconds');
    return {
      entries,
      source,
      fileBytes,
      seconds,
      secondsMin: Math.min(...all),
      secondsMax: Math.max(...all),
      readySeconds: median(figuresOf(source, 'readySeconds')),
      cpuSeconds: median(figuresOf(source, 'cpuSeconds')),
      entriesPerSecond: Math.round(entries / seconds),
      bytesPerSecond: Math.round(fileBytes / seconds),
      peakBytes: median(figuresOf(source, 'peakBytes')),
      versus: others.length === 0 ? undefined : versus,
      ratio: others.length === 0 ? undefined : median(others) / seconds,
    };
  });
}

/** Bytes of all files below `path`. */
function directoryBytes(path: string): number {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  return names.reduce((sum, name) => {
    const stat = statSync(join(path, name));
    return sum + (stat.isFile() ? stat.size : 0);
  }, 0);
}
