/**
 * Every kind of record that this program knows, by type and by the version of
 * its payload. A new kind, or a new version of one, is a file beside this one
 * and a row here. What is not in the table was written by a newer program: it
 * is refused by name, everywhere, and never taken for damage or a torn end.
 */
import { CONFIG_V1, CONFIG_V2 } from '#engine/records/config-record.ts';
import { DATA_V1, DATA_V2 } from '#engine/records/data-record.ts';
import { EPOCH_V1 } from '#engine/records/epoch-record.ts';
import { MEMBERS_V1 } from '#engine/records/members-record.ts';
import { OWNERSHIP_V1 } from '#engine/records/ownership-record.ts';
import { cutShort } from '#engine/records/payload-reader.ts';
import {
  RECORD_TYPE,
  type RecordBytes,
  type RecordKind,
  type RecordName,
  type RecordState,
} from '#engine/records/record-kind.ts';
import type { Mutation } from '#model/entry.ts';
import type { Frame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';

const TABLE: Readonly<Record<RecordName, Readonly<Record<number, RecordKind>>>> = {
  data: { 1: DATA_V1, 2: DATA_V2 },
  epoch: { 1: EPOCH_V1 },
  config: { 1: CONFIG_V1, 2: CONFIG_V2 },
  members: { 1: MEMBERS_V1 },
  ownership: { 1: OWNERSHIP_V1 },
};

const NAMES = Object.keys(TABLE) as RecordName[];
/** By type, then by version: looked up once for each record. */
const KINDS = byNumber(NAMES.map((name) => [RECORD_TYPE[name], byNumber(rowsOf(TABLE[name]))]));

function rowsOf(versions: Readonly<Record<number, RecordKind>>): [number, RecordKind][] {
  return Object.entries(versions).map(([version, kind]) => [Number(version), kind]);
}

function byNumber<T>(rows: readonly (readonly [number, T])[]): readonly (T | undefined)[] {
  const array: (T | undefined)[] = Array(Math.max(...rows.map(([number]) => number)) + 1).fill(undefined);
  for (const [number, value] of rows) array[number] = value;
  return array;
}

/** The kind of a frame. Throws `NewerFormatError` where it is not known, `RecordError` where the payload has no version. */
export function recordKindOf(frame: RecordBytes): RecordKind {
  const kind = tryRecordKindOf(frame);
  if (kind === undefined) throw unknownKind(frame, versionOf(frame));
  return kind;
}

/** The kind of a frame; undefined where it is not known. */
export function tryRecordKindOf(frame: RecordBytes): RecordKind | undefined {
  return KINDS[frame.type]?.[versionOf(frame)];
}

/** The layout version is the first byte of every payload. */
function versionOf({ buffer, payloadOffset, payloadBytes }: RecordBytes): number {
  return payloadBytes === 0 ? 0 : (buffer[payloadOffset] as number);
}

function unknownKind(frame: RecordBytes, version: number): Error {
  if (KINDS[frame.type] === undefined) {
    return new NewerFormatError(`unknown record type ${frame.type}: a newer version of Walnut wrote it`);
  }
  if (version === 0) return cutShort();
  const what = `unknown payload version ${version} of a record of type ${recordNameOf(frame)}`;
  return new NewerFormatError(`${what}: a newer version of Walnut wrote it`);
}

/** The name of a frame's type; undefined where it is not known. */
export function recordNameOf({ type }: RecordBytes): RecordName | undefined {
  return NAMES.find((name) => RECORD_TYPE[name] === type);
}

/** Every row of the table. */
export const RECORD_ROWS: readonly { readonly name: RecordName; readonly version: number }[] = NAMES.flatMap(
  (name) => rowsOf(TABLE[name]).map(([version]) => ({ name, version })),
);

/**
 * Makes `state` what a record says: the only way by which the engine, the fold and the
 * rehearsal apply one. The record must have been checked. Throws as `recordKindOf`.
 */
export function applyTo(frame: Frame, state: RecordState): void {
  recordKindOf(frame).apply(frame, state);
  state.times.note(frame.lsn, frame.timestampMs);
}

/** Checks a record, then applies it; where the check throws, `state` is as before. */
export function applyChecked(frame: Frame, state: RecordState): void {
  recordKindOf(frame).check(frame);
  applyTo(frame, state);
}

/** The mutations of any record, none where it changes no keys. Throws as `recordKindOf`, and `RecordError`. */
export function mutationsOf(frame: Frame): Mutation[] {
  return recordKindOf(frame).mutations(frame);
}
