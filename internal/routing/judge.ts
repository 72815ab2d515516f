/**
 * What the error of an attempt means: the same to gateways and to the client library, which bring
 * the error as Walnut's and what they know of the call. Pure.
 */
import type { ErrorCode, ErrorDetails } from '#model/errors.ts';
import type { Failure } from '#routing/failure.ts';

/** What is known of a call beside its error. */
export interface AttemptEnd {
  /** The node never began it: it was not sent, or the node does not have the rpc. */
  readonly isUnbegun: boolean;
  /** Its connection broke, so that the error is no answer of the node. */
  readonly isLost: boolean;
  /** It took longer than it might. */
  readonly isLate: boolean;
  /** The node is not trusted, so that nothing was sent. */
  readonly isUnfit?: boolean;
}

/** Given before anything is done. ABORTED is not one: an earlier request may have been carried out. */
const REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'invalid_argument',
  'permission_denied',
  'unauthenticated',
  'not_master',
  'shard_moved',
  'rate_limited',
]);
const SECOND_MS = 1_000;

export function judgeAttempt(
  { code, details }: { readonly code: ErrorCode; readonly details: ErrorDetails },
  end: AttemptEnd,
): Failure {
  const isRefused = details.nothingDone === true || end.isUnbegun || REFUSALS.has(code);
  return {
    outcome: isRefused ? 'not_done' : 'unknown',
    leaderHint: details.leaderHint,
    pauseMs: (details.retryAfterS ?? 0) * SECOND_MS,
    ...remedyOf(code, details, end),
  };
}

function remedyOf(
  code: ErrorCode,
  { isNotYet, retryAfterS }: ErrorDetails,
  { isLost, isLate, isUnfit }: AttemptEnd,
): Pick<Failure, 'remedy' | 'isLate'> {
  if (isUnfit === true) return { remedy: 'others' };
  if (isLate) return { remedy: 'later', isLate: true };
  switch (code) {
    case 'not_master':
      return { remedy: 'elsewhere' };
    case 'shard_moved':
      return { remedy: 'moved' };
    case 'unavailable':
      return { remedy: isNotYet === true ? 'not_yet' : 'later' };
    case 'cancelled':
      return { remedy: 'later' };
    case 'resource_exhausted':
      // Its disk is full, for which a coordinator has another node lead; or it has no room for this request now.
      if (isNotYet === true || retryAfterS !== undefined) return { remedy: 'not_yet' };
      // A node says so of the request, the connection only of this moment.
      return { remedy: isLost ? 'later' : 'none' };
    // In an answer this code is a bug, which a repeat meets again; a connection that broke is none.
    case 'internal':
      return { remedy: isLost ? 'later' : 'none' };
    default:
      return { remedy: 'none' };
  }
}
