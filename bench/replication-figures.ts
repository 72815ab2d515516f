/** How rounds of the replication bench become rows: medians, and the spread beside them. */
import type { CaughtUp, Measured } from './replication.ts';

export interface ReplicationRow {
  readonly figure: string;
  readonly unit: string;
  readonly median: number;
  readonly least: number;
  readonly most: number;
  readonly aim?: string | undefined;
}

export function lagRows(rounds: readonly Measured[], rate: number): ReplicationRow[] {
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

/** Full speed, with three replicas and without, interleaved. */
export function costRows(full: readonly Measured[], alone: readonly Measured[]): ReplicationRow[] {
  const cpuPerSet = (round: Measured) => (round.masterCpuSeconds / round.acked) * 1e6;
  const costs = (of: (round: Measured) => number, sign: number) =>
    full.map((round, i) => sign * (of(round) / of(alone[i] ?? round) - 1) * 100);
  return [
    toRow('full speed, no replicas', 'sets/s', alone.map(setsPerSecond)),
    toRow('full speed, three replicas', 'sets/s', full.map(setsPerSecond)),
    toRow('full speed, three replicas: replicas', 'CPU', shareOf(full, 'replicasCpuSeconds')),
    toRow('cost of three replicas: rate', '%', costs(setsPerSecond, -1)),
    toRow('master CPU, no replicas', 'µs/set', alone.map(cpuPerSet)),
    toRow('master CPU, three replicas', 'µs/set', full.map(cpuPerSet)),
    toRow('cost of three replicas: master CPU', '%', costs(cpuPerSet, 1), 'at most 15'),
  ];
}

export function catchUpRows(rounds: readonly CaughtUp[]): ReplicationRow[] {
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

/** Of one core. */
function shareOf<K extends string>(
  rounds: readonly (Record<K, number> & { readonly seconds: number })[],
  name: K,
): number[] {
  return rounds.map((round) => round[name] / round.seconds);
}

export function toRow(figure: string, unit: string, values: readonly number[], aim?: string): ReplicationRow {
  return {
    figure,
    unit,
    median: quantile(values, 0.5),
    least: Math.min(...values),
    most: Math.max(...values),
    aim,
  };
}

export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
