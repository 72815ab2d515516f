/** Errors of calls as callers are told them. */
import { Code, ConnectError } from '@connectrpc/connect';
import { failureOf } from '#dial/http2/call-failure.ts';
import type { BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';
import { EndedAttempt, type Outcome, type Told } from '#routing/failure.ts';

const BRAND = Symbol.for('walnut.CallError');

/**
 * What every call of the client rejects with: a `ConnectError` that also says what
 * became of the call.
 */
export class CallError extends ConnectError {
  /**
   * `done`: the call took effect, and only its answer could not be used. `not_done`: it
   * did nothing and never will. `unknown`: it may have taken effect, or still may.
   */
  readonly outcome: Outcome;
  /** `host:port` of the node that failed last; empty where none was called. */
  readonly address: string;
  /** How often the call was sent. */
  readonly attempts: number;

  constructor(error: ConnectError, { outcome, address, attempts }: Told) {
    super(messageOf(error, address), error.code, error.metadata, undefined, error.cause);
    this.details = error.details;
    this.outcome = outcome;
    this.address = address;
    this.attempts = attempts;
  }

  /** The ES module of the package has this class, and so has its CommonJS form: errors of both are of it. */
  get [BRAND](): true {
    return true;
  }

  /** `ConnectError` takes its kind by name, which a class of its own must not inherit. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}

/** Why a connection failed is said of "it": of the node, which the message names. */
function messageOf(error: ConnectError, address: string): string {
  const { rawMessage } = error;
  const isNamed = address === '' || failureOf(error) === undefined || rawMessage.includes(address);
  return isNamed ? rawMessage : `${address}: ${rawMessage}`;
}

/** A call that this client refuses itself. */
export function refusedHere(message: string, code: Code): CallError {
  return new CallError(new ConnectError(message, code), { outcome: 'not_done', address: '', attempts: 0 });
}

/** A call whose arguments are wrong. */
export function invalid(message: string): CallError {
  return refusedHere(message, Code.InvalidArgument);
}

/** A call that was answered, where its caller cannot be given what the answer has. */
export function notGiven(message: string, code: Code, outcome: 'done' | 'not_done'): CallError {
  return new CallError(new ConnectError(message, code), { outcome, address: '', attempts: 1 });
}

/** A call whose signal aborted. */
export function givenUp(outcome: 'not_done' | 'unknown'): CallError {
  const error = new ConnectError('the caller gave the call up', Code.Canceled);
  return new CallError(error, { outcome, address: '', attempts: 0 });
}

/** The error of a routed call. */
export function toCallError(error: unknown, told: Told): CallError {
  if (error instanceof CallError) return error;
  if (!(error instanceof EndedAttempt)) return new CallError(ConnectError.from(error), told);
  return new CallError(new ConnectError(error.message, ENDED.get(error.code) ?? Code.Unavailable), told);
}

const ENDED: ReadonlyMap<string, Code> = new Map([
  ['deadline_exceeded', Code.DeadlineExceeded],
  ['cancelled', Code.Canceled],
]);

/** No node could say what was asked of it. */
export function isUnreadable(error: unknown): boolean {
  return (
    error instanceof CallError && (error.code === Code.Unavailable || error.code === Code.DeadlineExceeded)
  );
}

/** The same error, which says more. */
export function withHint(error: CallError, hint: string): CallError {
  const { code, metadata, cause, details } = error;
  const more = new ConnectError(`${error.rawMessage}; ${hint}`, code, metadata, undefined, cause);
  more.details = details;
  return new CallError(more, error);
}

/** The same error, of a call that did nothing. */
export function notDone(error: CallError): CallError {
  return new CallError(error, { ...error, outcome: 'not_done' });
}

/** The same error, of a call of which a part is done: that nothing was done is not true of all of it. */
export function ofPart(error: CallError): CallError {
  return error.outcome === 'not_done' ? new CallError(error, { ...error, outcome: 'unknown' }) : error;
}

const CODES: ReadonlyMap<string, Code> = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === 'number')
    .map(([name, code]) => [name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase(), code]),
);

/**
 * One of these is always the refusal of an operation of a Batch, also by version 0.1, which does not say that
 * nothing was done. RESOURCE_EXHAUSTED is none: it may be the answer that found no room.
 */
const REFUSALS: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.PermissionDenied,
  Code.Unauthenticated,
]);

/**
 * The error of one operation of a Batch. `mayBeRepeat`: an earlier attempt may have
 * carried it out; `isRead`: there is nothing to carry out.
 */
export function errorOf(
  result: BatchResult['result'],
  {
    isRead,
    mayBeRepeat,
    address,
    attempts,
  }: { isRead: boolean; mayBeRepeat: boolean } & Omit<Told, 'outcome'>,
): CallError {
  const error =
    result.case === 'error'
      ? new ConnectError(result.value.message, CODES.get(result.value.code) ?? Code.Unknown)
      : new ConnectError('the result is of another kind', Code.Internal);
  const isRefused = isRefusal(result) || REFUSALS.has(error.code);
  const isUnclear = mayBeRepeat || !isRefused;
  return new CallError(error, { outcome: !isRead && isUnclear ? 'unknown' : 'not_done', address, attempts });
}

/** True if the node says that nothing of the operation was done. */
export function isRefusal(result: BatchResult['result']): boolean {
  return result.case === 'error' && result.value.nothingDone;
}
