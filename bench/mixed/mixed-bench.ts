/**
 * Calls of every kind by turns on one Walnut process, as users mix them, next
 * to one bare Node process that answers the same bytes on one port. The other
 * suites measure one kind of call until its code is compiled for it alone;
 * here each kind meets code that all kinds have been through.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BATCH_CALLS } from '../batch/batch-calls.ts';
import type { SuiteReport } from '../report.ts';
import { askOnce } from '../unary/ask-once.ts';
import { CALLS, type MeasuredCall } from '../unary/calls.ts';
import { createLoad, loadNames } from '../unary/load.ts';
import { askedOf, type MixedAnswer } from '../unary/mixed-answers.ts';
import { startWalnut, startYardstick, type Target } from '../unary/processes.ts';
import { type Round, toSuiteReport } from '../unary/report.ts';
import { measureRound } from '../unary/rounds.ts';

export interface MixedBench {
  readonly rounds: number;
  readonly seconds: number;
  /** Calls whose name has this text are shown; all are made. */
  readonly only: string;
}

/** The bare server has one port, so none of these goes by TLS; and it tells calls apart by what heads of one call have in common. */
export const MIXED_CALLS: readonly MeasuredCall[] = [...CALLS, ...BATCH_CALLS]
  .filter(({ isTls, isHeadOwn }) => isTls !== true && isHeadOwn !== true)
  .map((call) => ({ ...call, aims: {} }));

/** No kind is shown before every kind was called twice. */
const WARM_UP_ROUNDS = 2;

export async function benchMixed({ rounds, seconds, only }: MixedBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const targets: Target[] = [];
  try {
    const data = join(directory, 'walnut');
    mkdirSync(data);
    const walnut = await startWalnut(data);
    targets.push(walnut);
    const bare = await startBare(walnut);
    targets.push(bare);
    const load = createLoad(directory);
    const measured = MIXED_CALLS.map((call) => ({ call, rounds: [] as Round[] }));
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const [at, call] of MIXED_CALLS.entries()) {
        const contenders = [
          { name: 'walnut', target: walnut, load: (each: number) => load(walnut.port, call, each) },
          { name: 'bare', target: bare, load: (each: number) => load(bare.port, call, each) },
        ];
        const figures = await measureRound(contenders, seconds, round);
        if (round >= 0) measured[at]?.rounds.push(figures);
      }
      process.stderr.write(`round ${round < 0 ? 'to warm up' : round + 1} measured\n`);
    }
    const shown = measured.filter(({ call }) => call.id.includes(only));
    const names = `${loadNames()}; ${MIXED_CALLS.length} kinds of call by turns on one process`;
    return toSuiteReport({ suite: 'mixed', unit: 'request', measured: shown, load: names, rounds, seconds });
  } finally {
    await Promise.all(targets.map((target) => target.stop()));
    rmSync(directory, { recursive: true, force: true });
  }
}

/** By what the bare server tells the call from others. */
export function askedBy({ method, path, contentType, body }: MeasuredCall): string {
  return askedOf(method, path, { 'content-type': contentType, 'content-length': String(body.length) });
}

/** Answers what Walnut answers, once it has the entries that are asked for. */
async function startBare(walnut: Target): Promise<Target> {
  for (const call of MIXED_CALLS.filter(({ id }) => id.includes('set'))) await askOnce(walnut.port, call);
  const answers: MixedAnswer[] = [];
  for (const call of MIXED_CALLS) {
    const asked = askedBy(call);
    const { type, body } = await askOnce(walnut.port, call);
    answers.push({ asked, type, base64: body.toString('base64') });
  }
  return startYardstick(['mixed', '', JSON.stringify(answers)]);
}
