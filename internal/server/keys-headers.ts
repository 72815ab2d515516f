/** The headers of answers of `/v1/keys/{key}`. Pure. */
import type { GetAnswer, WriteAnswer } from '#model/commands.ts';
import { type Entry, NEVER } from '#model/entry.ts';
import { formatPosition } from '#model/position.ts';
import type { Headers } from '#rpc/http-io.ts';
import { etagOf } from '#server/entity-tags.ts';
import { modifiedHeaders } from '#server/http-dates.ts';
import { contentHeaders } from '#server/keys-content.ts';

export function entryHeaders(entry: Entry, nowMs: number): Headers {
  return {
    ...contentHeaders(entry.contentType),
    'cache-control': 'no-cache',
    'accept-ranges': 'bytes',
    etag: etagOf(entry.version),
    ...deadlineHeader(entry.expireAtMs),
    ...(entry.modifiedMs === undefined ? {} : modifiedHeaders(entry.modifiedMs, nowMs)),
  };
}

export function deadlineHeader(expireAtMs: number): Record<string, string> {
  return expireAtMs === NEVER ? {} : { 'x-walnut-expire-at-ms': String(expireAtMs) };
}

export function freshnessHeaders({ asOf, stalenessMs }: Pick<GetAnswer, 'asOf' | 'stalenessMs'>): Headers {
  return {
    'x-walnut-position': formatPosition(asOf),
    'x-walnut-as-of': formatPosition(asOf),
    'x-walnut-staleness-ms': String(Math.max(0, Math.floor(stalenessMs))),
  };
}

export function writeHeaders(answer: WriteAnswer): Headers {
  return {
    'x-walnut-position': formatPosition(answer.position),
    'x-walnut-durability': answer.durabilityReached,
    'x-walnut-replicas-acked': String(answer.replicasAcked),
    ...(answer.isRepeat === true ? { 'x-walnut-repeated': 'true' } : {}),
    ...(answer.isLeftOut === true ? { 'x-walnut-left-out': 'true' } : {}),
  };
}
