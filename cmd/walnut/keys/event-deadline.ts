/** The deadline of a change, which `walnut watch` and `walnut explain` show. */
import type { WatchEvent } from '#gen/walnut/v1/kv_store_pb.ts';
import { Op } from '#gen/walnut/v1/types_pb.ts';
import { showDeadline } from '../output/output.ts';

/** A delete has no deadline; a touch has nothing else. */
export function hasDeadline({ op }: Pick<WatchEvent, 'op'>): boolean {
  return op !== Op.DELETE;
}

export function showDeadlineOf(event: Pick<WatchEvent, 'op' | 'expireAtMs'>): string {
  return hasDeadline(event) ? showDeadline(event.expireAtMs) : '-';
}
