/**
 * Messages of Watch in protobuf's binary format, from the model, framed for a stream: no
 * message or bigint is made of an event, and the bytes of an event that many watchers get
 * are made twice at most.
 */
import { type Entry, movedDeadline } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { ToldMessage, WatchEvent } from '#model/watch.ts';
import { ByteWriter, numberBytes, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
import { resumeTextOf } from '#wire/resume-text.ts';
import { CAUSES, OPS } from '#wire/scan-codec.ts';

/** Tags of fields with varints. */
const varintTag = (field: number): number => field * 8;
/** Tags of fields with a length. */
const lengthTag = (field: number): number => field * 8 + 2;

const TAG_OF_EVENTS = lengthTag(1);
/** Flags and length before a message of a stream. */
const FRAME_HEAD_BYTES = 5;
/** The fields of a message beside its events and `resume`: their tags and numbers. */
const MESSAGE_BYTES = 8 * VARINT_BYTES_MAX;
/** All of an event but its texts and bytes: tags, lengths and numbers. */
const FIXED_BYTES = 24 * VARINT_BYTES_MAX;

const writer = new ByteWriter();

/** A longer value stays where it is: it becomes a part of its own. */
const COPIED_BYTES_MAX = 65_536;

/** A long value, and where it belongs among the bytes that are written. */
interface Cut {
  readonly at: number;
  readonly value: Uint8Array;
}

/** The message as `fromWatchMessage` has it, in the frame of a stream: flags, length, bytes. */
export function toWatchFrame(message: ToldMessage): Buffer {
  return writeWatchFrame(message).take();
}

/** The same frame as the first `at` bytes of the writer's buffer, to which the next message is written. */
export function writeWatchFrame(message: ToldMessage): Pick<ByteWriter, 'buffer' | 'at' | 'take'> {
  writer.begin(FRAME_HEAD_BYTES);
  const { events, wallShiftMs } = message;
  for (let i = 0; i < events.length; i++) writeEvent(events.at(i) as WatchEvent, wallShiftMs);
  writeRest(message, 0);
  return writer;
}

/** The same frame in parts, with long values, that of `previous` too, by reference: watchers share them. */
export function toWatchParts(message: ToldMessage): readonly Uint8Array[] {
  const event = message.events.at(0);
  if (event === undefined || !hasParts(message)) return [toWatchFrame(message)];
  const cuts: Cut[] = [];
  writer.begin(FRAME_HEAD_BYTES);
  encode(event, message.wallShiftMs, cuts);
  writeRest(
    message,
    cuts.reduce((sum, { value }) => sum + value.length, 0),
  );
  const around = writer.take();
  const parts: Uint8Array[] = [];
  let from = 0;
  for (const { at, value } of cuts) {
    parts.push(around.subarray(from, at), value);
    from = at;
  }
  parts.push(around.subarray(from));
  return parts;
}

/** True if the message has a long value: a large event comes alone. */
export function hasParts({ events }: ToldMessage): boolean {
  const event = events.length === 1 ? events.at(0) : undefined;
  if (event === undefined) return false;
  return isLong(valueBytesOf(event)) || isLong(event.previous?.value.length ?? 0);
}

function isLong(valueBytes: number): boolean {
  return valueBytes > COPIED_BYTES_MAX;
}

function valueBytesOf(event: WatchEvent): number {
  const { source } = event;
  return source === undefined ? event.value.length : source.valueBytes;
}

/** Writes what stands behind the events, and the head of the frame. `leftOut`: bytes of the frame that are not written. */
function writeRest(message: ToldMessage, leftOut: number): void {
  const { position } = message;
  const resume = message.canResume ? resumeTextOf(message) : '';
  writer.reserve(MESSAGE_BYTES + asciiBytes(position.group) + resume.length);
  writePosition(2, position);
  if (resume.length > 0) writeText(3, resume, resume.length);
  writeNumber(4, message.isFragment ? 1 : 0);
  writeNumber(5, message.isInitialDone ? 1 : 0);
  writer.buffer[0] = 0;
  writer.view.setUint32(1, writer.at - FRAME_HEAD_BYTES + leftOut);
}

/** Most events go to one watcher: the bytes are kept when they are written for the second time, unless they are many. */
function writeEvent(event: WatchEvent, shiftMs: number): void {
  const { encoded } = event;
  if (shiftMs !== 0) encode(event, shiftMs);
  else if (encoded instanceof Uint8Array) {
    writer.reserve(encoded.length);
    writer.bytes(encoded);
  } else {
    const from = writer.at;
    encode(event, 0);
    if (encoded === undefined) event.encoded = 'once';
    else if (!isLong(writer.at - from))
      event.encoded = Uint8Array.prototype.slice.call(writer.buffer, from, writer.at);
  }
}

/** Writes tag, length and event. `cuts`: gets its long values, which are left out then. */
function encode(event: WatchEvent, shiftMs: number, cuts?: Cut[]): void {
  const { previous, source } = event;
  const keyBytes = source === undefined ? Buffer.byteLength(event.key) : source.keyBytes;
  const valueBytes = valueBytesOf(event);
  const isCut = cuts !== undefined && isLong(valueBytes);
  const previousBytes = previous === undefined ? 0 : entryBytes(previous, keyBytes, shiftMs);
  const leftOut = cuts === undefined ? 0 : cutBytes(valueBytes) + cutBytes(previous?.value.length ?? 0);
  const valuesBytes = valueBytes + previousBytes - leftOut;
  writer.reserve(FIXED_BYTES + keyBytes + valuesBytes + asciiBytes(event.contentType));
  writer.byte(TAG_OF_EVENTS);
  writer.varint(eventBytes(event, keyBytes, valueBytes, previousBytes, shiftMs));
  writeNumber(1, OPS[event.op]);
  writeNumber(2, CAUSES[event.cause]);
  if (source === undefined) writeText(3, event.key, keyBytes);
  else writePart(3, source.bytes, source.keyOffset, keyBytes);
  if (source === undefined || isCut) writeValue(4, event.value, cuts);
  else writePart(4, source.bytes, source.valueOffset, valueBytes);
  writePosition(5, event.version);
  writeNumber(6, movedDeadline(event.expireAtMs, shiftMs));
  if (previous !== undefined) writeEntry(7, previous, keyBytes, previousBytes, shiftMs, cuts);
  writeNumber(8, event.isPreviousUnknown ? 1 : 0);
  writeNumber(9, event.isInitial ? 1 : 0);
  writeNumber(10, movedDeadline(event.timestampMs, shiftMs));
  writeAscii(11, event.contentType);
}

/** The bytes of a value that are left out. */
function cutBytes(valueBytes: number): number {
  return isLong(valueBytes) ? valueBytes : 0;
}

function eventBytes(
  event: WatchEvent,
  keyBytes: number,
  valueBytes: number,
  previousBytes: number,
  shiftMs: number,
): number {
  return (
    numberBytes(OPS[event.op]) +
    numberBytes(CAUSES[event.cause]) +
    lengthBytes(keyBytes) +
    (valueBytes === 0 ? 0 : lengthBytes(valueBytes)) +
    lengthBytes(positionBytes(event.version)) +
    numberBytes(movedDeadline(event.expireAtMs, shiftMs)) +
    (event.previous === undefined ? 0 : lengthBytes(previousBytes)) +
    (event.isPreviousUnknown ? 2 : 0) +
    (event.isInitial ? 2 : 0) +
    numberBytes(movedDeadline(event.timestampMs, shiftMs)) +
    asciiBytes(event.contentType)
  );
}

function writeEntry(
  field: number,
  entry: Entry,
  keyBytes: number,
  bytes: number,
  shiftMs: number,
  cuts: Cut[] | undefined,
): void {
  writer.byte(lengthTag(field));
  writer.varint(bytes);
  writeText(1, entry.key, keyBytes);
  writeValue(2, entry.value, cuts);
  writePosition(3, entry.version);
  writeNumber(4, movedDeadline(entry.expireAtMs, shiftMs));
  writeAscii(5, entry.contentType);
}

/** `keyBytes`: its key is that of its event. */
function entryBytes(entry: Entry, keyBytes: number, shiftMs: number): number {
  return (
    lengthBytes(keyBytes) +
    (entry.value.length === 0 ? 0 : lengthBytes(entry.value.length)) +
    lengthBytes(positionBytes(entry.version)) +
    numberBytes(movedDeadline(entry.expireAtMs, shiftMs)) +
    asciiBytes(entry.contentType)
  );
}

function positionBytes({ epoch, lsn, group }: Position): number {
  return numberBytes(epoch) + numberBytes(lsn) + asciiBytes(group);
}

function writePosition(field: number, position: Position): void {
  writer.byte(lengthTag(field));
  writer.varint(positionBytes(position));
  writeNumber(1, position.epoch);
  writeNumber(2, position.lsn);
  writeAscii(3, position.group);
}

/** Writes the field, unless `value` is 0. */
function writeNumber(field: number, value: number): void {
  if (value === 0) return;
  writer.byte(varintTag(field));
  writer.varint(value);
}

function writeText(field: number, text: string, bytes: number): void {
  writeLength(field, bytes);
  writer.at += writer.buffer.write(text, writer.at, bytes, 'utf8');
}

/** Writes the field, a content type or the id of a group, unless there is none. */
function writeAscii(field: number, text: string | undefined): void {
  if (text !== undefined) writeText(field, text, text.length);
}

function asciiBytes(text: string | undefined): number {
  return text === undefined ? 0 : lengthBytes(text.length);
}

/** Writes the field, unless `value` is empty; of a long one only tag and length, where there are `cuts` for it. */
function writeValue(field: number, value: Uint8Array, cuts: Cut[] | undefined): void {
  if (value.length === 0) return;
  writeLength(field, value.length);
  if (cuts !== undefined && isLong(value.length)) cuts.push({ at: writer.at, value });
  else writer.bytes(value);
}

/** Writes the field as a part of `source`, unless it is empty. */
function writePart(field: number, source: Buffer, from: number, bytes: number): void {
  if (bytes === 0) return;
  writeLength(field, bytes);
  writer.part(source, from, bytes);
}

/** Writes the tag and the length of a field of so many bytes. */
function writeLength(field: number, bytes: number): void {
  writer.byte(lengthTag(field));
  writer.varint(bytes);
}

/** The length of a whole field: its tag, its length and `bytes` bytes. */
function lengthBytes(bytes: number): number {
  return 1 + varintBytes(bytes) + bytes;
}
