/**
 * Reports what the client does on channels of `node:diagnostics_channel`. A
 * channel without subscribers costs one look. Messages have no keys and no values.
 */
import type { Channel } from 'node:diagnostics_channel';
import { Code, ConnectError } from '@connectrpc/connect';
import type { Clock } from '#platform/clock.ts';
import type { Outcome, Told } from '#routing/failure.ts';

/** A call to nodes is settled: one rpc with its repeats, such as a Batch of many operations. */
export interface CallEnd {
  readonly rpc: string;
  /** How many operations it carried. */
  readonly operations: number;
  /** The node that answered, or failed last; empty where none was called. */
  readonly address: string;
  readonly attempts: number;
  readonly tookMs: number;
  /** Undefined for a call that was answered. */
  readonly error?: { readonly code: number; readonly outcome: Outcome };
}

/** A method of the client is settled, a scan or a watch has ended; told in the asynchronous context of the caller. */
export interface OperationEnd {
  /** The method, such as `get` or `atomic`. */
  readonly operation: string;
  /** When it was called: milliseconds since the Unix epoch. */
  readonly calledAtMs: number;
  readonly tookMs: number;
  /** Undefined where the method gave a result. */
  readonly error?: { readonly code: number; readonly outcome: Outcome | undefined };
}

/** An attempt failed and is followed by another. */
export interface RetryBegin {
  readonly address: string;
  readonly attempts: number;
  readonly outcome: Outcome;
  /** The Connect code of the error. */
  readonly code: number;
}

/** `getOrSet` goes without the cache, which answers nothing: `breaker.ts`. */
export interface OutageEvent {
  /** `begin`: the first value is loaded without the cache; `load`: each is; `end`: the cache answers again. */
  readonly phase: 'begin' | 'load' | 'end';
  /** How long the cache was silent by then. */
  readonly silentMs: number;
}

const OPERATIONS = channel('walnut:operation');
const CALLS = channel('walnut:call');
const RETRIES = channel('walnut:retry');
const OUTAGES = channel('walnut:outage');

/** Browsers have no channels: there is nobody to tell. */
function channel(name: string): Pick<Channel, 'hasSubscribers' | 'publish'> {
  const { process } = globalThis as { process?: NodeJS.Process };
  const channels = process?.getBuiltinModule?.('node:diagnostics_channel');
  return channels?.channel(name) ?? { hasSubscribers: false, publish: () => undefined };
}

/** Returns `result`, and tells listeners when it is settled; without listeners it does nothing else. */
export function tellOperation<T>(clock: Clock, operation: string, result: Promise<T>): Promise<T> {
  return OPERATIONS.hasSubscribers ? toldOperation(clock, operation, result) : result;
}

/** Asynchronous, because what follows its `await` has the context of the caller. */
async function toldOperation<T>(clock: Clock, operation: string, result: Promise<T>): Promise<T> {
  const end = beginOperation(clock, operation);
  try {
    const given = await result;
    end();
    return given;
  } catch (error) {
    end({ error });
    throw error;
  }
}

/** What it gives is called at the end of the operation, with its error where it has one, and tells listeners. */
export function beginOperation(clock: Clock, operation: string): (failed?: { error: unknown }) => void {
  const [calledAtMs, startedMs] = [clock.wallMs(), clock.monotonicMs()];
  return (failed) => {
    if (!OPERATIONS.hasSubscribers) return;
    const end: OperationEnd = { operation, calledAtMs, tookMs: clock.monotonicMs() - startedMs };
    OPERATIONS.publish(failed === undefined ? end : { ...end, error: errorOf(failed.error) });
  };
}

function errorOf(error: unknown): NonNullable<OperationEnd['error']> {
  // A loader may throw anything.
  const { code, outcome } = (error ?? {}) as { code?: unknown; outcome?: Outcome };
  return { code: typeof code === 'number' ? code : Code.Unknown, outcome };
}

/** True if `tellCall` has listeners. */
export function hasCallListeners(): boolean {
  return CALLS.hasSubscribers;
}

export function tellCall(message: CallEnd): void {
  CALLS.publish(message);
}

export function tellOutage(message: OutageEvent): void {
  OUTAGES.publish(message);
}

export function tellRetry({ address, attempts, outcome }: Told, error: unknown): void {
  if (!RETRIES.hasSubscribers) return;
  const message: RetryBegin = { address, attempts, outcome, code: ConnectError.from(error).code };
  RETRIES.publish(message);
}
