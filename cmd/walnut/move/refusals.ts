/** What nodes refuse for its size or its content, told from failures that may pass. Pure. */
import { CallError } from '../call/call-error.ts';
import { CliError } from '../cli-error.ts';

/** Refusals of what is too large name the key of the limit; what a node is short of for now has none. */
const LIMIT = /\b(?:server\.max_(?:batch|value)_bytes|storage\.max_(?:entries|memory))\b/;

/** True if the node may take a part of these writes, which together are above a limit. */
export function isAboveLimit(failure: unknown): boolean {
  const error = callErrorOf(failure);
  return error?.code === 'resource_exhausted' && LIMIT.test(error.message);
}

/** Why the node will never take this one write; undefined if it failed for another reason. */
export function refusalOf(failure: unknown): string | undefined {
  const error = callErrorOf(failure);
  const isRefused = error?.code === 'invalid_argument' || isAboveLimit(failure);
  return isRefused ? error?.message : undefined;
}

/** The failure of a call to a master that a replica named has that call's error as its cause. */
function callErrorOf(failure: unknown): CallError | undefined {
  const error = failure instanceof CliError ? failure.cause : failure;
  return error instanceof CallError ? error : undefined;
}
