/** What a start is measured by, and what the rounds say. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Figure, Pair } from './report.ts';

/** One start, and what it cost the process. */
export interface StartFigures {
  /** Duration of the recovery, without the start of the process. */
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

export interface MeasuredStarts {
  readonly subject: Subject;
  readonly starts: readonly StartFigures[];
}

/** Starts each subject once a round, in turn, so that noise of the machine affects all of them alike. */
export async function measureInTurn(subjects: readonly Subject[], rounds: number): Promise<MeasuredStarts[]> {
  const measured = subjects.map((subject) => ({ subject, starts: [] as StartFigures[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { subject, starts } of measured) starts.push(await subject.start());
  }
  return measured;
}

/** Walnut next to its counterparts, where they are installed. */
export function pairsOf(entries: number, measured: readonly MeasuredStarts[]): Pair[] {
  return measured.flatMap(({ subject, starts }) => {
    const other = measured.find(({ subject: { source } }) => source === subject.versus);
    if (other === undefined) return [];
    const pair = (unit: string, better: Pair['better'], of: (start: StartFigures) => number): Pair => ({
      what: `${entries.toLocaleString('en')} ${subject.source}`,
      unit,
      versus: other.subject.source,
      better,
      values: starts.map(of),
      others: other.starts.map(of),
    });
    return [
      pair('entries/s', 'higher', ({ seconds }) => entries / seconds),
      pair('entries/CPU s', 'higher', ({ cpuSeconds }) => entries / cpuSeconds),
      pair('peak MB', 'lower', ({ peakBytes }) => peakBytes / 1e6),
    ];
  });
}

export function figuresOf(entries: number, measured: readonly MeasuredStarts[]): Figure[] {
  return measured.flatMap(({ subject: { source, path }, starts }) => {
    const fileBytes = directoryBytes(path);
    const figure = (what: string, unit: string, of: (start: StartFigures) => number): Figure => ({
      what: `${entries.toLocaleString('en')} ${source}${what}`,
      unit,
      values: starts.map(of),
    });
    return [
      { what: `${entries.toLocaleString('en')} ${source}: files`, unit: 'MB', values: [fileBytes / 1e6] },
      figure('', 's', ({ seconds }) => seconds),
      figure(': to ready', 's', ({ readySeconds }) => readySeconds),
      figure(': CPU', 's', ({ cpuSeconds }) => cpuSeconds),
      figure('', 'MB/s', ({ seconds }) => fileBytes / 1e6 / seconds),
      figure(': peak', 'MB', ({ peakBytes }) => peakBytes / 1e6),
    ];
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
