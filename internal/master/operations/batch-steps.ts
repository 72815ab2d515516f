/** What operations of a batch have come to while their record is on its way to disk. */

import type { Accepted } from '#master/accepted.ts';
import { wantsWait } from '#master/receipts.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { SetsAnswer } from '#model/bulk.ts';
import type { BatchOperation, BatchResult, ReceiptOptions, WriteAnswer } from '#model/commands.ts';
import { asRefusal, WalnutError } from '#model/errors.ts';

/** A Get that saw a record in flight, such as that of its own batch: it is answered when that is settled. */
export interface OwnGet {
  readonly kind: 'own';
  readonly record: RecordInFlight;
  readonly result: BatchResult;
}

/** A write with an answer of its own. */
export interface OtherWrite {
  readonly kind: 'write';
  readonly accepted: Accepted;
  readonly operation: Exclude<BatchOperation, { kind: 'get' }>;
}

/** A write whose answer is that of its record. */
export interface PlainWrite {
  readonly kind: 'plain';
  readonly accepted: Accepted;
  readonly operation: OtherWrite['operation']['kind'];
}

/** What an operation of the batch came to: it is done already, or waits for its record. */
export type Step = Extract<BatchResult, { kind: 'get' | 'error' }> | OwnGet | OtherWrite | PlainWrite;

export function isWaiting(step: Step): step is OwnGet | OtherWrite {
  return step.kind === 'own' || step.kind === 'write';
}

/** What all plain writes of a batch came to: one answer, or one error. */
export interface PlainResults {
  readonly answer: WriteAnswer | undefined;
  readonly set: BatchResult;
  readonly delete: BatchResult;
}

/** Asks for visibility only. */
export const PLAIN: ReceiptOptions = { minAcks: 0, timeoutMs: 0 };

export function toStep(accepted: Accepted, operation: OtherWrite['operation'], builder: RecordBuilder): Step {
  // A write with a name has an answer of its own.
  if (accepted.isNamed === true) return { kind: 'write', accepted, operation };
  const hasMore = accepted.counter !== undefined || accepted.touched !== undefined;
  const isOfRecord = accepted === builder.written || (hasMore && accepted.dependsOn === builder.record);
  if (!isOfRecord || wantsWait(operation.command)) return { kind: 'write', accepted, operation };
  return { kind: 'plain', accepted, operation: operation.kind };
}

/** A refused record refuses all sets in it. */
export function refuseRest(refused: Map<number, WalnutError>, count: number, thrown: unknown): SetsAnswer {
  const { error } = toBatchError(thrown);
  for (let i = 0; i < count; i++) if (!refused.has(i)) refused.set(i, error);
  return { answer: undefined, refused };
}

/** Why an operation is not accepted: nothing of it was done, whatever became of the others. */
export function toRefused(error: unknown): Extract<BatchResult, { kind: 'error' }> {
  return toBatchError(asRefusal(error));
}

export function toBatchError(error: unknown): Extract<BatchResult, { kind: 'error' }> {
  if (error instanceof WalnutError) return { kind: 'error', error };
  throw error;
}
