/** Answers of writes for callers that may not read the key: what is stored is left out. Pure. */
import type { BatchResult, IncrementAnswer, TouchAnswer, WriteAnswer } from '#model/commands.ts';
import { NEVER } from '#model/entry.ts';

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
  return shown as Answer;
}

export function resultWithoutValues(result: BatchResult): BatchResult {
  if (result.kind === 'get' || result.kind === 'error') return result;
  return { ...result, answer: withoutValues(result.answer) } as BatchResult;
}
