/** Errors of calls: what they mean for routing, and what callers are told. */
import { Code, ConnectError } from '@connectrpc/connect';
import { failureOf } from '#dial/http2/call-failure.ts';
import {
  RefusalSchema,
  type RoutingError,
  RoutingErrorSchema,
  RoutingReason,
} from '#gen/walnut/v1/errors_pb.ts';
import type { BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Failure, Outcome, Told } from '#routing/failure.ts';

const LEADER_HINT = 'x-leader-hint';
const RETRY_AFTER = 'retry-after';
const SECOND_MS = 1_000;

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
    super(error.rawMessage, error.code, error.metadata, undefined, error.cause);
    this.details = error.details;
    this.outcome = outcome;
    this.address = address;
    this.attempts = attempts;
  }

  /** `ConnectError` takes its kind by name, which a class of its own must not inherit. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return Object.prototype.isPrototypeOf.call(CallError.prototype, value as object);
  }
}

/** A call that this client refuses itself. */
export function refusedHere(message: string, code: Code): CallError {
  return new CallError(new ConnectError(message, code), { outcome: 'not_done', address: '', attempts: 0 });
}

/** A call whose arguments are wrong. */
export function invalid(message: string): CallError {
  return refusedHere(message, Code.InvalidArgument);
}

/** A call whose signal aborted. */
export function givenUp(outcome: 'not_done' | 'unknown'): CallError {
  const error = new ConnectError('the caller gave the call up', Code.Canceled);
  return new CallError(error, { outcome, address: '', attempts: 0 });
}

/** The error of a routed call. */
export function toCallError(error: unknown, told: Told): CallError {
  return error instanceof CallError ? error : new CallError(ConnectError.from(error), told);
}

/** The same error, of a call that did nothing. */
export function notDone(error: CallError): CallError {
  return new CallError(error, { ...error, outcome: 'not_done' });
}

/** These are given before anything is done. ABORTED is not one: an earlier request may have been carried out. */
const REFUSALS: ReadonlySet<Code> = new Set([
  Code.InvalidArgument,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

export function judge(thrown: unknown): Failure {
  const error = ConnectError.from(thrown);
  const [routing] = error.findDetails(RoutingErrorSchema);
  const [refusal] = error.findDetails(RefusalSchema);
  const leaderHint = error.metadata.get(LEADER_HINT) ?? (routing?.address || undefined);
  const isElsewhere =
    error.code === Code.FailedPrecondition &&
    (routing === undefined ? leaderHint !== undefined : routing.reason === RoutingReason.NOT_LEADER);
  const isRefused =
    isElsewhere ||
    refusal?.nothingDone === true ||
    failureOf(error)?.isUnsent === true ||
    REFUSALS.has(error.code);
  return {
    outcome: isRefused ? 'not_done' : 'unknown',
    leaderHint,
    ...(isElsewhere ? { remedy: 'elsewhere' } : remedyOf(error, routing)),
  };
}

function remedyOf(
  error: ConnectError,
  routing: RoutingError | undefined,
): Pick<Failure, 'remedy' | 'isLate' | 'pauseMs'> {
  const seconds = Number(error.metadata.get(RETRY_AFTER) ?? Number.NaN);
  switch (error.code) {
    case Code.Unavailable:
    case Code.Canceled:
      return {
        remedy: routing?.reason === RoutingReason.NOT_YET ? 'not_yet' : 'later',
        pauseMs: Number.isFinite(seconds) ? seconds * SECOND_MS : 0,
      };
    case Code.DeadlineExceeded:
      return { remedy: 'later', isLate: true };
    case Code.ResourceExhausted:
      return Number.isFinite(seconds)
        ? { remedy: 'later', pauseMs: seconds * SECOND_MS }
        : { remedy: 'none' };
    // In an answer this code is a bug, which a repeat meets again; a connection that broke is none.
    case Code.Internal:
      return { remedy: failureOf(error) === undefined ? 'none' : 'later' };
    default:
      return { remedy: 'none' };
  }
}

const CODES: ReadonlyMap<string, Code> = new Map(
  Object.entries(Code)
    .filter((entry): entry is [string, Code] => typeof entry[1] === 'number')
    .map(([name, code]) => [name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase(), code]),
);

/** After one of these an operation of a Batch may have been carried out. */
const UNCLEAR: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.Internal,
  Code.Unknown,
  Code.Canceled,
  Code.DeadlineExceeded,
  Code.Aborted,
]);

/**
 * The error of one operation of a Batch. `mayBeRepeat`: an earlier attempt may have
 * carried it out; `isRead`: there is nothing to carry out.
 */
export function errorOf(
  result: BatchResult['result'],
  { isRead, mayBeRepeat, address }: { isRead: boolean; mayBeRepeat: boolean; address: string },
): CallError {
  const error =
    result.case === 'error'
      ? new ConnectError(result.value.message, CODES.get(result.value.code) ?? Code.Unknown)
      : new ConnectError('the result is of another kind', Code.Internal);
  const isUnclear = mayBeRepeat || UNCLEAR.has(error.code);
  return new CallError(error, {
    outcome: !isRead && isUnclear ? 'unknown' : 'not_done',
    address,
    attempts: 1,
  });
}
