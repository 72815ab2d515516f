/** Answers and errors of writes for callers that may not read the key: what is stored is left out. Pure. */
import type { Awaitable } from '#model/awaitable.ts';
import type { BatchResult, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import { NEVER } from '#model/entry.ts';
import { errorWithoutValue, WalnutError } from '#model/errors.ts';

/** The fields of all answers of writes that tell what is stored, and what they are where it is left out. */
const LEFT_OUT: Partial<IncrementAnswer & TouchAnswer> = {
  previous: undefined,
  current: undefined,
  value: 0n,
  entry: undefined,
  expireAtMs: NEVER,
};

export function withoutValues<Answer extends WriteAnswer>(answer: Answer): Answer {
  const shown = { ...answer } as Record<string, unknown>;
  for (const [field, nothing] of Object.entries(LEFT_OUT)) if (field in shown) shown[field] = nothing;
  return { ...(shown as Answer), isLeftOut: true };
}

export function resultWithoutValues(result: BatchResult): BatchResult {
  if (result.kind === 'get') return result;
  if (result.kind === 'error') return { kind: 'error', error: errorWithoutValue(result.error) };
  return { ...result, answer: withoutValues(result.answer) } as BatchResult;
}

/** To be thrown instead of what a write threw. */
export function failureWithoutValues(error: unknown): unknown {
  return error instanceof WalnutError ? errorWithoutValue(error) : error;
}

/** The outcome of a write, thrown or answered, for a caller that may not read its key. */
export function writtenUnseen<Answer extends WriteAnswer>(run: () => Awaitable<Answer>): Awaitable<Answer> {
  try {
    const answer = run();
    if (!(answer instanceof Promise)) return withoutValues(answer);
    return answer.then(withoutValues, (error) => {
      throw failureWithoutValues(error);
    });
  } catch (error) {
    throw failureWithoutValues(error);
  }
}
