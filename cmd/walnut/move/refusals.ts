/** What nodes refuse for its size or its content, told from failures that may pass. Pure. */
import { callErrorOf } from '../call/persist.ts';

/** Refusals of what is too large name the key of the limit; what a node is short of for now has none. */
const LIMIT = /\b(?:server\.max_(?:batch|value)_bytes|storage\.max_(?:entries|memory))\b/;

/** Why the node will never take this one write, or these together; undefined if it failed for another reason. */
export function refusalOf(failure: unknown): string | undefined {
  const error = callErrorOf(failure);
  if (error?.code === 'invalid_argument') return error.message;
  return error?.code === 'resource_exhausted' && LIMIT.test(error.message) ? error.message : undefined;
}
