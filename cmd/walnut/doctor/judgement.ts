/** What a check finds, and how it is told. */
import type { NodeReading } from '../figures/read-figures.ts';

export interface Check {
  readonly name: string;
  /** Undefined where the node does not say what is needed to judge. */
  judge(node: NodeReading): Judgement | undefined;
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
