/**
 * Tries planted bugs, several at once, and tells how that went. A few bugs that were not caught are tried once
 * more, one after the other when nothing else runs: a test that came too late on a busy machine refuses no change.
 * What is caught only then is named FLAKY and counts as caught.
 */
import type { Mutant } from './mutant.ts';

export type Verdict = 'caught' | 'NOT CAUGHT' | 'no test ran' | 'hung' | 'text not found once';

export interface Trial {
  readonly verdict: Verdict;
  /** What the tests printed. */
  readonly output: string;
}

export interface Result extends Trial {
  readonly mutant: Mutant;
  /** Not caught at first, as `output` shows, and caught when tried again. */
  readonly isFlaky: boolean;
}

/** More than these are no accident, and each may take minutes. */
const TRIED_AGAIN_MAX = 5;
const OUTPUT_LINES = 30;

/**
 * Tries each of `chosen` by one of the `tries`, each of which tries one bug at a time. `print` gets a line when
 * one is done.
 */
export async function tryAll(
  chosen: readonly Mutant[],
  tries: readonly ((mutant: Mutant) => Promise<Trial>)[],
  print: (line: string) => void,
): Promise<Result[]> {
  const results = new Map<Mutant, Result>();
  const waiting = [...chosen];
  const worker = async (tryOne: (mutant: Mutant) => Promise<Trial>): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const trial = await tryOne(mutant);
      results.set(mutant, { mutant, ...trial, isFlaky: false });
      print(`${trial.verdict}: ${mutant.name} (${results.size} of ${chosen.length})`);
    }
  };
  await Promise.all(tries.map(worker));
  const [again] = tries;
  const missed = [...results.values()].filter(({ verdict }) => verdict !== 'caught');
  if (again === undefined || missed.length > TRIED_AGAIN_MAX) return [...results.values()];
  for (const result of missed) {
    const { verdict } = await again(result.mutant);
    if (verdict === 'caught') results.set(result.mutant, { ...result, isFlaky: true });
    print(`${verdict}: ${result.mutant.name} (tried again)`);
  }
  return [...results.values()];
}

export function isCaught({ verdict, isFlaky }: Result): boolean {
  return verdict === 'caught' || isFlaky;
}

/**
 * Ends with the names and the counts: where only the last lines of a long output are kept, they tell what went
 * wrong.
 */
export function renderReport(results: readonly Result[]): string {
  const failed = results.filter((result) => !isCaught(result));
  const named = [...results.filter(({ isFlaky }) => isFlaky), ...failed];
  const evidence = named.flatMap((result) => [
    `== ${titleOf(result)}`,
    `   in ${result.mutant.file}, for ${result.mutant.tests.join(' ')}`,
    ...result.output.trimEnd().split('\n').slice(-OUTPUT_LINES),
  ]);
  const counts = `${results.length - failed.length} passed, ${failed.length} failed`;
  return `${[...evidence, ...named.map(titleOf), counts].join('\n')}\n`;
}

function titleOf({ mutant, verdict, isFlaky }: Result): string {
  return isFlaky
    ? `FLAKY (${verdict}, caught when tried again): ${mutant.name}`
    : `${verdict}: ${mutant.name}`;
}
