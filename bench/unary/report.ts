/** Rounds of contenders as pairs: of rates, and of what a second of the server's processor time gives. */
import { ratiosOf } from '../figures.ts';
import type { Pair, SuiteReport } from '../report.ts';

export interface Figure {
  /** Requests a second; for calls that contain many operations, operations a second. */
  readonly rate: number;
  /** Processor time of the server for one of them, in microseconds. */
  readonly cpuMicros: number;
}

/** By contender. */
export type Round = Record<string, Figure>;

/** What is measured: its name, and the ratio of rates aimed at, by contender. */
export interface Subject {
  readonly id: string;
  readonly aims: Readonly<Record<string, number>>;
}

export interface Measured {
  readonly call: Subject;
  readonly rounds: readonly Round[];
}

export interface Report {
  readonly suite: string;
  /** What rates count. */
  readonly unit: 'request' | 'operation';
  readonly measured: readonly Measured[];
  readonly load: string;
  readonly rounds: number;
  readonly seconds: number;
}

export function toSuiteReport(given: Report): SuiteReport {
  const { suite, unit, measured, load, rounds, seconds } = given;
  return {
    suite,
    how: `${rounds} rounds of ${seconds} s; ${load}; 1/s and 1/CPU s: ${unit}s, of a second and of a second of the server's processor time`,
    pairs: measured.flatMap(({ call, rounds: each }) => pairsOf(call, each)),
    figures: [],
  };
}

function pairsOf({ id, aims }: Subject, rounds: readonly Round[]): Pair[] {
  const [first = {}] = rounds;
  const series = (name: string, of: (figure: Figure) => number): number[] =>
    rounds.map((round) => (round[name] === undefined ? Number.NaN : of(round[name])));
  const others = Object.keys(first).filter((name) => name !== 'walnut');
  return others.toSorted().flatMap((versus) => {
    const pair = (unit: string, of: (figure: Figure) => number): Pair => ({
      what: id,
      unit,
      versus,
      better: 'higher',
      values: series('walnut', of),
      others: series(versus, of),
      aim: aims[versus],
    });
    // What the ratio would be if nothing else ran here.
    const cpu = pair('1/CPU s', ({ cpuMicros }) => 1e6 / cpuMicros);
    const isTold = ratiosOf(cpu.values, cpu.others).every(Number.isFinite);
    return [pair('1/s', ({ rate }) => rate), ...(isTold ? [cpu] : [])];
  });
}
