/** What a check finds, and how it is told. */
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { MetricsPage } from '../figures/metrics-page.ts';
import type { NodeReading } from '../figures/read-figures.ts';
import { showDuration } from '../output/output.ts';

/** What a process says of itself, of whichever kind. */
export interface ProcessReading {
  readonly status: Pick<StatusResponse, 'uptimeMs'>;
  readonly page: MetricsPage;
}

export interface Check<Reading = NodeReading> {
  readonly name: string;
  /** Undefined where the process does not say what is needed to judge. */
  judge(reading: Reading): Judgement | undefined;
}

export interface Judgement {
  readonly level: 'ok' | 'warning' | 'problem';
  /** One sentence without a full stop. */
  readonly found: string;
  /** What to do; undefined where all is well. */
  readonly advice?: string;
}

export interface Finding extends Judgement {
  /** The address of a node, a file of configuration, or `group ID`; empty where it is about the only group. */
  readonly node: string;
  readonly check: string;
}

/** A heading of docs/operations.md. */
export const runbook = (heading: string): string => `docs/operations.md, "${heading}"`;
export const ok = (found: string): Judgement => ({ level: 'ok', found });
export const warning = (found: string, advice: string): Judgement => ({ level: 'warning', found, advice });
export const problem = (found: string, advice: string): Judgement => ({ level: 'problem', found, advice });

/** Judges how full something is, from 0 to 1. */
export function judgeFill(
  part: number,
  [high, full]: readonly [number, number],
  found: string,
  advice: string,
): Judgement {
  if (part > full) return problem(found, advice);
  return part > high ? warning(found, advice) : ok(found);
}

export function sinceStart({ uptimeMs }: Pick<StatusResponse, 'uptimeMs'>): string {
  return `since its start ${showDuration(uptimeMs)} ago`;
}

/** Undefined where it is not counted. */
export function judgeCount(
  count: number | undefined,
  found: (count: number) => string,
  advice: string,
): Judgement | undefined {
  if (count === undefined) return undefined;
  return count === 0 ? ok('none') : warning(found(count), advice);
}

/** What the checks find that can be judged, in their order. */
export function findingsOf<Reading>(
  node: string,
  checks: readonly Check<Reading>[],
  reading: Reading,
): Finding[] {
  return checks.flatMap(({ name, judge }) => {
    const judged = judge(reading);
    return judged === undefined ? [] : [{ node, check: name, ...judged }];
  });
}
