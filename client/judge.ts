/** What errors of nodes mean for routing. */
import { Code, ConnectError } from '@connectrpc/connect';
import { failureOf } from '#dial/http2/call-failure.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import type { Failure } from '#routing/failure.ts';
import { judgeAttempt } from '#routing/judge.ts';
import { toError } from '#wire/error-reader.ts';
import { CallError } from './failures.ts';

export function judge(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const failure = failureOf(error);
  return judgeAttempt(toError(error), {
    isUnbegun: failure?.isUnsent === true || error.code === Code.Unimplemented,
    isLost: failure !== undefined,
    isLate: error.code === Code.DeadlineExceeded,
    isUnfit: failure?.isUntrusted === true,
  });
}

/** The owner that a group named when it refused a slot of another one; undefined for every other error. */
export function ownerNamedBy(error: unknown): ShardOwner | undefined {
  return error instanceof CallError && error.code === Code.FailedPrecondition
    ? toError(error).details.shard
    : undefined;
}

/** True if a node refused a call for what is in its message, such as too many bytes or a text that is too long. */
export function isOfMessage(error: CallError): boolean {
  if (error.outcome !== 'not_done') return false;
  return error.code === Code.InvalidArgument || toError(error).details.limit !== undefined;
}
