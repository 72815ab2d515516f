/** The fields by which a client names a write: the last ones of its message. */
import { type Lsn, NO_LSN, type Position } from '#model/position.ts';
import type { WriteId } from '#model/write-id.ts';
import type { ByteReader } from '#wire/byte-reader.ts';
import { numberBytes, VARINT_BYTES_MAX, writeVarint } from '#wire/byte-writer.ts';
import { DELETE, INCREMENT, SET, TOUCH } from '#wire/kv-columns.ts';

/** Stands for a whole Batch where a kind of operation is asked for: no operation has this tag. */
export const BATCH = 0;

/** The number of `client_id` in each message; `sequence`, `answered_through` and `since` follow it. */
const FIRST_FIELD: Readonly<Record<number, number>> = {
  [BATCH]: 7,
  [SET]: 16,
  [DELETE]: 8,
  [INCREMENT]: 13,
  [TOUCH]: 9,
};
const [VARINT, FIXED64, DELIMITED] = [0, 1, 2];
const FIXED64_BYTES = 8;
/** A position is two numbers. */
const POSITION_BYTES_MAX = 2 * (1 + VARINT_BYTES_MAX);
const TAG_BYTES_MAX = 2;
/** An upper bound for the fields of one name. */
export const NAME_BYTES_MAX =
  4 * TAG_BYTES_MAX + FIXED64_BYTES + 2 * VARINT_BYTES_MAX + 1 + POSITION_BYTES_MAX;

/**
 * Writes them into `into` and returns how many bytes they are. `kind`: of the write, which is the
 * tag of the operation in a Batch, or `BATCH`. Throws for a name that is not of a client.
 */
export function nameBytes(kind: number, { name, since }: WriteId, into: Buffer): number {
  const field = FIRST_FIELD[kind];
  if (name.kind !== 'client' || field === undefined) throw new Error('a write is named by its client here');
  const { clientId, sequence, answeredThrough } = name;
  let at = writeVarint(into, field * 8 + FIXED64, 0);
  at = into.writeBigUInt64LE(clientId, at);
  at = writeNumber(into, (field + 1) * 8 + VARINT, sequence, at);
  at = writeNumber(into, (field + 2) * 8 + VARINT, answeredThrough, at);
  if (since === undefined) return at;
  const { epoch, lsn } = since;
  at = writeVarint(into, (field + 3) * 8 + DELIMITED, at);
  at = writeVarint(into, numberBytes(epoch) + numberBytes(lsn), at);
  at = writeNumber(into, 1 * 8 + VARINT, epoch, at);
  return writeNumber(into, 2 * 8 + VARINT, lsn, at);
}

/** Writes a field, or nothing for 0. */
function writeNumber(into: Buffer, tag: number, value: number, at: number): number {
  return value === 0 ? at : writeVarint(into, value, writeVarint(into, tag, at));
}

export interface ReadName {
  readonly id: WriteId;
  /** The offset at which the field `since` begins: the end if there is none. */
  readonly sinceStart: number;
}

/** Reads what stands from `reader.at` to `end`; undefined where that is something else, or a name that is refused. */
export function readName(kind: number, reader: ByteReader, end: number): ReadName | undefined {
  const field = FIRST_FIELD[kind] as number;
  if (reader.varint(end) !== field * 8 + FIXED64 || reader.at + FIXED64_BYTES > end) return undefined;
  const clientId = reader.bytes.readBigUInt64LE(reader.at);
  reader.at += FIXED64_BYTES;
  if (reader.varint(end) !== (field + 1) * 8 + VARINT) return undefined;
  const sequence = reader.varint(end);
  let sinceStart = reader.at;
  let answeredThrough = 0;
  let tag = reader.varint(end);
  if (tag === (field + 2) * 8 + VARINT) {
    answeredThrough = reader.varint(end);
    sinceStart = reader.at;
    tag = reader.varint(end);
  }
  // So a sequence is 1 at least, too.
  if (clientId === 0n || answeredThrough < 0 || answeredThrough >= sequence) return undefined;
  const name = { kind: 'client', clientId, sequence, index: 0, answeredThrough } as const;
  if (sinceStart === end) return { id: { name }, sinceStart };
  if (tag !== (field + 3) * 8 + DELIMITED || reader.delimited(end) !== end) return undefined;
  const since = readSince(reader, end);
  return since && { id: { name, since }, sinceStart };
}

/** Undefined for what is no position of an answer. */
function readSince(reader: ByteReader, end: number): Position | undefined {
  let epoch = 0;
  let tag = reader.varint(end);
  if (tag === 1 * 8 + VARINT) {
    epoch = reader.varint(end);
    tag = reader.varint(end);
  }
  const lsn = tag === 2 * 8 + VARINT ? reader.varint(end) : NO_LSN;
  return epoch < 0 || lsn < 1 || reader.at !== end ? undefined : { epoch, lsn: lsn as Lsn };
}
