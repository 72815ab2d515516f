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
import type { Lsn, Position } from '#model/position.ts';
import type { EventSource, WatchEvent } from '#model/watch.ts';
import type { KeptRecord } from '#watch/backlog.ts';
import { CHANGE_BYTES, Change, textOf, valueIn } from '#watch/change.ts';
import { type Chunk, copy, type EventBytes, UNIT_BYTES } from '#watch/event-bytes.ts';

const HEAD_UNITS = 5;
const HEAD_BYTES = HEAD_UNITS * UNIT_BYTES;
const NOTHING = Buffer.alloc(0);
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

/** The bytes of its value. */
export function packedValueBytes({ words }: Chunk, place: number): number {
  return words[2 * place + 9] as number;
}

export function packedVersion({ doubles }: Chunk, place: number): Position {
  return { epoch: doubles[place + 1] as Position['epoch'], lsn: doubles[place] as Lsn };
}

/** A packed change as an event, one after the other: what it was before is gone with each `show`. */
export class PackedEvent implements WatchEvent, EventSource {
  op: WatchEvent['op'] = 'set';
  cause: WatchEvent['cause'] = 'client';
  bytes = NOTHING;
  keyOffset = 0;
  keyBytes = 0;
  valueOffset = 0;
  valueBytes = 0;
  contentType: string | undefined;
  readonly version = { epoch: 0 as Position['epoch'], lsn: 0 as Lsn };
  expireAtMs = 0;
  timestampMs = 0;
  /** It is not known, as nobody asked. */
  readonly previous = undefined;
  readonly isPreviousUnknown = false;
  readonly isInitial = false;
  encoded: WatchEvent['encoded'];
  readonly source = this;

  show({ buffer, doubles, words }: Chunk, place: number, keysOnly: boolean): this {
    const kind = words[2 * place + 8] as number;
    const typeBytes = (kind >>> 4) & 0xff;
    const valueBytes = words[2 * place + 9] as number;
    this.op = OPS[kind & 3] as WatchEvent['op'];
    this.cause = CAUSES[(kind >>> 2) & 3] as WatchEvent['cause'];
    this.bytes = buffer;
    this.keyOffset = place * UNIT_BYTES + HEAD_BYTES;
    this.keyBytes = kind >>> 12;
    this.valueOffset = this.keyOffset + this.keyBytes;
    this.valueBytes = keysOnly ? 0 : valueBytes;
    const typeOffset = this.valueOffset + valueBytes;
    this.contentType =
      typeBytes === 0 ? undefined : buffer.toString('latin1', typeOffset, typeOffset + typeBytes);
    this.version.epoch = doubles[place + 1] as Position['epoch'];
    this.version.lsn = doubles[place] as Lsn;
    this.expireAtMs = doubles[place + 2] as number;
    this.timestampMs = doubles[place + 3] as number;
    this.encoded = undefined;
    return this;
  }

  get key(): string {
    return textOf(this);
  }

  get value(): Uint8Array {
    return valueIn(this);
  }
}

const SHOWN = new PackedEvent();

/** The same as an object of its own, with its own bytes. */
export function unpack(chunk: Chunk, place: number): Change {
  const { op, cause, contentType, expireAtMs, timestampMs, ...shown } = SHOWN.show(chunk, place, false);
  const { keyOffset, keyBytes, valueBytes } = shown;
  const bytes = Buffer.from(chunk.buffer.subarray(keyOffset, keyOffset + keyBytes + valueBytes));
  return new Change({
    ...{ op, cause, contentType, expireAtMs, timestampMs },
    source: { bytes, keyOffset: 0, keyBytes, valueOffset: keyBytes, valueBytes, chunk: undefined },
    version: packedVersion(chunk, place),
    previous: undefined,
    isPreviousUnknown: false,
    isInitial: false,
  });
}
