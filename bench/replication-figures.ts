/** What the rounds of the replication bench say. */
import { quantile } from './figures.ts';
import type { LoadFigures } from './replication-load.ts';
import type { Figure, Pair } from './report.ts';

/** One measurement: the load's figures, and processor seconds of the nodes meanwhile. */
export interface Measured extends LoadFigures {
  readonly masterCpuSeconds: number;
  readonly replicasCpuSeconds: number;
}

/** One catch-up of an empty replica. */
export interface CaughtUp {
  readonly records: number;
  readonly seconds: number;
  readonly bytes: number;
  readonly masterCpuSeconds: number;
  readonly replicasCpuSeconds: number;
}

export function lagFigures(rounds: readonly Measured[], rate: number): Figure[] {
  const at = (name: 'visibleMs' | 'readMs' | 'setMs', share: number) =>
    rounds.map((round) => quantile(round[name], share));
  return [
    toRow('writes answered', '1/s', rounds.map(setsPerSecond), `${rate.toLocaleString('en')} sent`),
    toRow('answer to visible on a replica, p50', 'ms', at('visibleMs', 0.5)),
    toRow('answer to visible on a replica, p99', 'ms', at('visibleMs', 0.99), 'sync_interval + 10 ms = 20'),
    toRow('answer to visible on a replica, p99.9', 'ms', at('visibleMs', 0.999)),
    toRow(
      'not visible within 10 s',
      'writes',
      rounds.map((round) => round.unseen),
      '0',
    ),
    toRow('of which the Get itself, p50', 'ms', at('readMs', 0.5)),
    toRow('of which the Get itself, p99', 'ms', at('readMs', 0.99)),
    toRow('write, due to answered, p50', 'ms', at('setMs', 0.5)),
    toRow('write, due to answered, p99', 'ms', at('setMs', 0.99)),
    toRow('master', 'CPU', shareOf(rounds, 'masterCpuSeconds')),
    toRow('three replicas', 'CPU', shareOf(rounds, 'replicasCpuSeconds')),
    toRow('load', 'CPU', shareOf(rounds, 'cpuSeconds')),
  ];
}

/** What serving three replicas leaves of the master's rate, and of the sets in a second of its processor time. */
export function costPairs(full: readonly Measured[], alone: readonly Measured[]): Pair[] {
  const pair = (unit: string, of: (round: Measured) => number): Pair => ({
    what: 'sets with three replicas',
    unit,
    versus: 'none',
    better: 'higher',
    values: full.map(of),
    others: alone.map(of),
    aim: 0.85,
  });
  return [pair('1/s', setsPerSecond), pair('1/CPU s', (round) => round.acked / round.masterCpuSeconds)];
}

/** Full speed, with three replicas and without, interleaved. */
export function costFigures(full: readonly Measured[], alone: readonly Measured[]): Figure[] {
  const cpuPerSet = (round: Measured) => (round.masterCpuSeconds / round.acked) * 1e6;
  return [
    toRow('full speed, no replicas', 'sets/s', alone.map(setsPerSecond)),
    toRow('full speed, three replicas', 'sets/s', full.map(setsPerSecond)),
    toRow('full speed, three replicas: replicas', 'CPU', shareOf(full, 'replicasCpuSeconds')),
    toRow('master CPU, no replicas', 'µs/set', alone.map(cpuPerSet)),
    toRow('master CPU, three replicas', 'µs/set', full.map(cpuPerSet)),
  ];
}

export function catchUpFigures(rounds: readonly CaughtUp[]): Figure[] {
  return [
    toRow(
      'catch-up of an empty replica',
      'records/s',
      rounds.map((round) => round.records / round.seconds),
      'at least 200,000',
    ),
    toRow(
      'catch-up',
      'MB/s',
      rounds.map((round) => round.bytes / round.seconds / 1e6),
    ),
    toRow('catch-up: master', 'CPU', shareOf(rounds, 'masterCpuSeconds')),
    toRow('catch-up: replica', 'CPU', shareOf(rounds, 'replicasCpuSeconds')),
  ];
}

function setsPerSecond({ acked, seconds }: Measured): number {
  return acked / seconds;
}

/** The share of one core that each round took. */
function shareOf<K extends string>(
  rounds: readonly (Record<K, number> & { readonly seconds: number })[],
  name: K,
): number[] {
  return rounds.map((round) => round[name] / round.seconds);
}

function toRow(what: string, unit: string, values: readonly number[], aim?: string): Figure {
  return { what, unit, values, aim };
}
