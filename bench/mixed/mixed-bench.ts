/**
 * Calls of every kind by turns on one Walnut process, as users mix them, next to a
 * process for each kind that knows no other, and to one bare Node process that
 * answers the same bytes on one port. A process of one kind compiles its code for
 * it alone; here each kind meets code that all kinds have been through.
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
  .map((call) => ({ ...call, aims: { alone: 0.9 } }));

/** No kind is shown before every kind was called twice. */
const WARM_UP_ROUNDS = 2;

export async function benchMixed({ rounds, seconds, only }: MixedBench): Promise<SuiteReport> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-bench-'));
  const targets: Target[] = [];
  try {
    const open = async (starting: Promise<Target>): Promise<Target> => {
      const target = await starting;
      targets.push(target);
      return target;
    };
    const walnut = await open(startFilled(directory, 'walnut'));
    const bare = await open(startBare(walnut));
    const alone = new Map<MeasuredCall, Target>();
    for (const call of MIXED_CALLS.filter(({ id }) => id.includes(only)))
      alone.set(call, await open(startFilled(directory, call.id.replaceAll('/', ' '))));
    const load = createLoad(directory);
    const measured = MIXED_CALLS.map((call) => ({ call, rounds: [] as Round[] }));
    for (let round = -WARM_UP_ROUNDS; round < rounds; round++) {
      for (const [at, call] of MIXED_CALLS.entries()) {
        const contenders = Object.entries({ walnut, bare, alone: alone.get(call) }).flatMap(
          ([name, target]) =>
            target === undefined
              ? []
              : [{ name, target, load: (each: number) => load(target.port, call, each) }],
        );
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

/** What writes the entries that the other calls are made for. */
const isFilling = ({ id }: MeasuredCall): boolean => id.includes('set') || id.includes('increment');

/** With the entries that are asked for. */
async function startFilled(directory: string, name: string): Promise<Target> {
  const data = join(directory, name);
  mkdirSync(data);
  const walnut = await startWalnut(data);
  for (const call of MIXED_CALLS.filter(isFilling)) await askOnce(walnut.port, call);
  return walnut;
}

/** Answers what Walnut answers. */
async function startBare(walnut: Target): Promise<Target> {
  const answers: MixedAnswer[] = [];
  for (const call of MIXED_CALLS) {
    const asked = askedBy(call);
    const { type, body } = await askOnce(walnut.port, call);
    answers.push({ asked, type, base64: body.toString('base64') });
  }
  return startYardstick(['mixed', '', JSON.stringify(answers)]);
}
