/** What a gateway says of operations of a Batch whose groups had not answered when the time of the attempt was nearly over. */
import { Code, ConnectError } from '@connectrpc/connect';
import { RefusalSchema } from '#gen/walnut/v1/errors_pb.ts';
import type { BatchResult } from '#gen/walnut/v1/kv_store_pb.ts';

/** True for what a gateway had no answer for before the time of the attempt was over. */
export function isLate(result: BatchResult | undefined): boolean {
  return result?.result.case === 'error' && result.result.value.code === 'deadline_exceeded';
}

/** The error of an attempt that had no answer for these. */
export function lateError(results: readonly BatchResult[]): ConnectError {
  const errors = results.flatMap(({ result }) => (result.case === 'error' ? [result.value] : []));
  const refusal = { desc: RefusalSchema, value: { nothingDone: true } } as const;
  const isRefused = errors.every(({ nothingDone }) => nothingDone);
  const why = errors[0]?.message ?? '';
  return new ConnectError(why, Code.DeadlineExceeded, undefined, isRefused ? [refusal] : []);
}
