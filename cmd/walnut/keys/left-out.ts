/** What answers of writes do not tell a user who may not read the key, in words. Pure. */
import type { IncrementResponse, TouchResponse } from '#gen/walnut/v1/kv_store_pb.ts';
import { showDeadline } from '../output/output.ts';

/** Stands where a value or a deadline would. */
export const UNSEEN = '(not shown: you may not read this key)';

/** The sum of an Increment that was carried out. */
export function describeSum({ value, leftOut }: IncrementResponse): string {
  return leftOut ? UNSEEN : String(value);
}

/** The new deadline of a Touch that was carried out. */
export function describeTouched({ expireAtMs, leftOut, repeated }: TouchResponse): string {
  if (leftOut) return UNSEEN;
  return repeated && expireAtMs === 0n
    ? 'never, or at a time that is not known any more'
    : showDeadline(expireAtMs);
}
