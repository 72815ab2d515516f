/**
 * Results of a Batch that say of a write that it was accepted and its outcome is not known. They are a
 * failed attempt, as the same error of a single write is: the Batch is sent again under the same names.
 */
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { WalnutError } from '#model/errors.ts';
import type { Failure } from '#routing/failure.ts';

/** What is known of an attempt with such results. */
export const UNCLEAR: Failure = { outcome: 'unknown', remedy: 'later' };

class UnclearResults extends Error {}

export function isUnclear(error: unknown): boolean {
  return error instanceof UnclearResults;
}

/**
 * Calls `run`, and resolves with its answer. `run` passes the answer of each attempt to `check`, which
 * throws where that is unclear, so that another attempt follows. If none is clear in the time of the call,
 * it resolves with the last unclear one, which says of each operation what is known. `hasUnclear`: of an answer.
 */
export async function untilClear<A>(
  hasUnclear: (answer: A) => boolean,
  run: (check: (answer: A) => A) => Promise<A>,
): Promise<A> {
  let last: { readonly answer: A } | undefined;
  try {
    return await run((answer) => {
      if (!hasUnclear(answer)) return answer;
      last = { answer };
      throw new UnclearResults('the outcome of a write of the batch is not known');
    });
  } catch (error) {
    const isOfGroup = isUnclear(error) || (error instanceof WalnutError && error.code !== 'shard_moved');
    if (last === undefined || !isOfGroup) throw error;
    return last.answer;
  }
}

/** True if one of the results is the error of a write that may have been carried out. */
export function hasUnclearWrite(
  results: readonly BatchResult[],
  operations: () => readonly BatchOperation[],
): boolean {
  const places = results.flatMap((result, place) => (mayBeDone(result) ? [place] : []));
  if (places.length === 0) return false;
  const given = operations();
  return places.some((place) => given[place]?.kind !== 'get');
}

function mayBeDone(result: BatchResult): boolean {
  return (
    result.kind === 'error' &&
    result.error.code === 'unavailable' &&
    result.error.details.nothingDone !== true
  );
}
