/** The failure of a call to a node, whatever transport carried it. */
import type { DescMethodUnary } from '@bufbuild/protobuf';

/** What the headers of an answer say of other nodes, and of trying again. */
export interface CallHints {
  readonly leaderHint?: string | undefined;
  readonly ownerHint?: string | undefined;
  /** The header `Retry-After` as it came. */
  readonly retryAfter?: string | undefined;
}

/** A date, or more digits, is as if there were none: nodes send a few seconds. */
const SECONDS = /^\d{1,6}$/;

/** A Connect code (https://connectrpc.com/docs/protocol), or `lost`: no answer came. */
export class CallError extends Error {
  override readonly name = 'CallError';
  readonly code: string;
  /** `host:port` of the master, if the answering node knows it. */
  readonly leaderHint: string | undefined;
  /** `host:port` of the master of the group that owns the key, if that is another group and known. */
  readonly ownerHint: string | undefined;

  /** The same call may succeed after so many seconds; undefined if the node did not say so. */
  readonly retryAfterS: number | undefined;

  constructor(code: string, message: string, hints: CallHints = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    // A node that knows no master may send the header empty.
    this.leaderHint = hints.leaderHint || undefined;
    this.ownerHint = hints.ownerHint || undefined;
    this.retryAfterS = SECONDS.test(hints.retryAfter ?? '') ? Number(hints.retryAfter) : undefined;
  }
}

/** The call was given up here, by its signal, before an answer came. */
export class InterruptedCallError extends Error {
  override readonly name = 'InterruptedCallError';
  readonly method: DescMethodUnary;
  /** `host:port` that was called. */
  readonly address: string;
  /** What a call asked for that was sent may still be done. */
  readonly wasSent: boolean;
  readonly request: object;

  constructor(method: DescMethodUnary, address: string, wasSent: boolean, request: object = {}) {
    super(`interrupted before ${address} answered ${method.name}`);
    this.method = method;
    this.address = address;
    this.wasSent = wasSent;
    this.request = request;
  }
}

/** Undefined where the call, or what made it, was given up: for commands that run until they are interrupted. */
export async function untilInterrupted<T>(calling: Promise<T>): Promise<T | undefined> {
  try {
    return await calling;
  } catch (error) {
    if (error instanceof InterruptedCallError) return undefined;
    throw error;
  }
}

/** The system error code at the end of a chain of causes. */
export function systemCodeOf(error: unknown): string | undefined {
  for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code, errno } = at as NodeJS.ErrnoException;
    if (typeof code === 'string' && typeof errno === 'number') return code;
    if (at instanceof AggregateError) return systemCodeOf(at.errors[0]);
  }
  return undefined;
}
