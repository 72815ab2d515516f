/** The rounds as a table, or as JSON with every figure. */
import { availableParallelism } from 'node:os';
import Table from 'cli-table3';
import { formatSpread, median, ratiosOf, type Spread, spreadOf } from '../figures.ts';
import type { MeasuredCall } from './calls.ts';

export interface Figure {
  /** Requests a second. */
  readonly rate: number;
  /** Processor time of the server for one request, in microseconds. */
  readonly cpuMicros: number;
}

/** By contender. */
export type Round = Record<string, Figure>;

export interface Measured {
  readonly call: MeasuredCall;
  readonly rounds: readonly Round[];
}

export interface Report {
  readonly measured: readonly Measured[];
  readonly load: string;
  readonly rounds: number;
  readonly seconds: number;
}

interface Comparison {
  readonly other: string;
  readonly rate: number;
  readonly cpuMicros: number;
  /** Walnut's rate over the other's. */
  readonly ratio: Spread;
  /** The other's processor time over Walnut's: what the ratio would be if nothing else ran here. */
  readonly cpuRatio: Spread;
  readonly aim: number | undefined;
}

export function report(given: Report, isJson: boolean): void {
  const rows = given.measured.map(({ call, rounds }) => ({
    call: call.id,
    rate: Math.round(median(rounds.map((round) => round['walnut']?.rate ?? Number.NaN))),
    cpuMicros: median(rounds.map((round) => round['walnut']?.cpuMicros ?? Number.NaN)),
    comparisons: comparisonsOf(call, rounds),
    rounds,
  }));
  const machine = { node: process.version, cores: availableParallelism(), platform: process.platform };
  if (isJson) {
    const { load, rounds, seconds } = given;
    process.stdout.write(
      `${JSON.stringify({ suite: 'unary', machine, load, rounds, seconds, rows }, null, 2)}\n`,
    );
    return;
  }
  const table = new Table({
    head: ['call', 'walnut/s', 'µs', 'beside', '/s', 'µs', 'ratio of rates', 'of cpu time', 'aim'],
    style: { head: [], border: [] },
  });
  for (const { call, rate, cpuMicros, comparisons } of rows) {
    for (const { other, aim, ...figures } of comparisons) {
      table.push([
        call,
        rate.toLocaleString('en'),
        cpuMicros.toFixed(1),
        other,
        Math.round(figures.rate).toLocaleString('en'),
        figures.cpuMicros.toFixed(1),
        formatSpread(figures.ratio),
        formatSpread(figures.cpuRatio),
        aim === undefined ? '' : `≥ ${aim}${verdict(figures.ratio.median, figures.cpuRatio.median, aim)}`,
      ]);
    }
  }
  process.stdout.write(`${table.toString()}\n`);
  process.stdout.write(`${given.rounds} rounds of ${given.seconds} s; ${given.load}; Node ${machine.node}, `);
  process.stdout.write(
    `${machine.cores} cores. Medians (lowest–highest); µs: the server's processor time a request.\n`,
  );
}

function verdict(ratio: number, cpuRatio: number, aim: number): string {
  if (ratio >= aim) return ' reached';
  return cpuRatio >= aim ? ' by cpu time' : ' missed';
}

function comparisonsOf(call: MeasuredCall, rounds: readonly Round[]): Comparison[] {
  const [first = {}] = rounds;
  const series = (name: string, key: keyof Figure): number[] =>
    rounds.map((round) => round[name]?.[key] ?? Number.NaN);
  return Object.keys(first)
    .filter((name) => name !== 'walnut')
    .toSorted()
    .map((other) => ({
      other,
      rate: median(series(other, 'rate')),
      cpuMicros: median(series(other, 'cpuMicros')),
      ratio: spreadOf(ratiosOf(series('walnut', 'rate'), series(other, 'rate'))),
      cpuRatio: spreadOf(ratiosOf(series(other, 'cpuMicros'), series('walnut', 'cpuMicros'))),
      aim: other === 'bare' ? call.aims.bare : other === 'stock' ? call.aims.stock : undefined,
    }));
}
