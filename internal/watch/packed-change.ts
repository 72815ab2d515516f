/**
 * A change that waits for one watcher only, as bytes in a chunk beside others: it becomes
 * an object when it is taken. Most changes wait longer than new objects live, so that as
 * objects they would be copied twice by the collector, and found again by a full collection.
 *
 * Its place is where it begins in the chunk, counted in eights of bytes:
 *
 *     f64  LSN, epoch, deadline and time of its record
 *     i32  operation (2 bits), cause (2 bits), length of the content type (8), length of the key (16)
 *     i32  length of the value
 *     key, value and content type
 */
import type { EncodedMutation } from '#model/encoded.ts';
import type { Lsn } from '#model/position.ts';
import type { KeptRecord } from '#watch/backlog.ts';
import { CHANGE_BYTES, Change } from '#watch/change.ts';
import { type Chunk, copy, type EventBytes, UNIT_BYTES } from '#watch/event-bytes.ts';

const HEAD_UNITS = 5;
const HEAD_BYTES = HEAD_UNITS * UNIT_BYTES;
const OPS: readonly Change['op'][] = ['set', 'delete', 'touch'];
const CAUSES: readonly Change['cause'][] = ['client', 'expired', 'evicted', 'restored'];

/** Returns its place in `kept.chunk`; undefined where it is too large to share one. */
export function pack(mutation: EncodedMutation, record: KeptRecord, kept: EventBytes): number | undefined {
  const { bytes, keyOffset, keyBytes, valueOffset, valueBytes, typeOffset, typeBytes } = mutation;
  const from = kept.place(HEAD_BYTES + keyBytes + valueBytes + typeBytes);
  if (from === undefined) return undefined;
  const { buffer, doubles, words } = kept.chunk;
  const place = from / UNIT_BYTES;
  doubles[place] = record.lsn;
  doubles[place + 1] = record.epoch;
  doubles[place + 2] = mutation.expireAtMs;
  doubles[place + 3] = record.timestampMs;
  const kind = OPS.indexOf(mutation.op) | (CAUSES.indexOf(mutation.cause) << 2);
  words[2 * place + 8] = kind | (typeBytes << 4) | (keyBytes << 12);
  words[2 * place + 9] = valueBytes;
  copy(bytes, keyOffset, buffer, from + HEAD_BYTES, keyBytes);
  copy(bytes, valueOffset, buffer, from + HEAD_BYTES + keyBytes, valueBytes);
  copy(bytes, typeOffset, buffer, from + HEAD_BYTES + keyBytes + valueBytes, typeBytes);
  return place;
}

export function packedLsn({ doubles }: Chunk, place: number): Lsn {
  return doubles[place] as Lsn;
}

/** The same as `bytes` of the change that `unpack` makes. */
export function packedBytes({ words }: Chunk, place: number): number {
  const kind = words[2 * place + 8] as number;
  return CHANGE_BYTES + 2 * (kind >>> 12) + (words[2 * place + 9] as number) + ((kind >>> 4) & 0xff);
}

/** `previous` is not known of it, as nobody asked. */
export function unpack(chunk: Chunk, place: number): Change {
  const { buffer, doubles, words } = chunk;
  const kind = words[2 * place + 8] as number;
  const keyOffset = place * UNIT_BYTES + HEAD_BYTES;
  const keyBytes = kind >>> 12;
  const valueOffset = keyOffset + keyBytes;
  const valueBytes = words[2 * place + 9] as number;
  const typeOffset = valueOffset + valueBytes;
  const typeBytes = (kind >>> 4) & 0xff;
  return new Change({
    op: OPS[kind & 3] as Change['op'],
    cause: CAUSES[(kind >>> 2) & 3] as Change['cause'],
    source: { bytes: buffer, keyOffset, keyBytes, valueOffset, valueBytes, chunk },
    contentType: typeBytes === 0 ? undefined : buffer.toString('latin1', typeOffset, typeOffset + typeBytes),
    version: { epoch: doubles[place + 1] as Change['version']['epoch'], lsn: doubles[place] as Lsn },
    expireAtMs: doubles[place + 2] as number,
    timestampMs: doubles[place + 3] as number,
    previous: undefined,
    isPreviousUnknown: false,
    isInitial: false,
  });
}
