/**
 * Reports what the client does on channels of `node:diagnostics_channel`. A
 * channel without subscribers costs one look. Messages have no keys and no values.
 */
import { channel } from 'node:diagnostics_channel';
import { ConnectError } from '@connectrpc/connect';
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

/** An attempt failed and is followed by another. */
export interface RetryBegin {
  readonly address: string;
  readonly attempts: number;
  readonly outcome: Outcome;
  /** The Connect code of the error. */
  readonly code: number;
}

const CALLS = channel('walnut:call');
const RETRIES = channel('walnut:retry');

/** True if `tellCall` has listeners. */
export function hasCallListeners(): boolean {
  return CALLS.hasSubscribers;
}

export function tellCall(message: CallEnd): void {
  CALLS.publish(message);
}

export function tellRetry({ address, attempts, outcome }: Told, error: unknown): void {
  if (!RETRIES.hasSubscribers) return;
  const message: RetryBegin = { address, attempts, outcome, code: ConnectError.from(error).code };
  RETRIES.publish(message);
}
