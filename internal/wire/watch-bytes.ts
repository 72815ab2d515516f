/**
 * Messages of Watch in protobuf's binary format, from the model, framed for a stream: no
 * message or bigint is made of an event, and the bytes of an event that many watchers get
 * are made twice at most.
 */
import { type Entry, movedDeadline } from '#model/entry.ts';
import type { Position } from '#model/position.ts';
import type { WatchEvent, WatchMessage } from '#model/watch.ts';
import { ByteWriter, VARINT_BYTES_MAX, varintBytes } from '#wire/byte-writer.ts';
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

/** The message as `fromWatchMessage` has it, in the frame of a stream: flags, length, bytes. */
export function toWatchFrame(message: WatchMessage): Buffer {
  writer.begin(FRAME_HEAD_BYTES);
  for (const event of message.events) writeEvent(event, message.wallShiftMs);
  writeRest(message, 0);
  return writer.take();
}

/** The same frame in parts, with a long value by reference: watchers share it. */
export function toWatchParts(message: WatchMessage): readonly Uint8Array[] {
  const [event] = message.events;
  // A large event comes alone.
  if (event === undefined || message.events.length > 1 || valueBytesOf(event) <= COPIED_BYTES_MAX)
    return [toWatchFrame(message)];
  const { value } = event;
  writer.begin(FRAME_HEAD_BYTES);
  const cut = encode(event, message.wallShiftMs, false);
  writeRest(message, value.length);
  const around = writer.take();
  return [around.subarray(0, cut), value, around.subarray(cut)];
}

function valueBytesOf(event: WatchEvent): number {
  const { source } = event;
  return source === undefined ? event.value.length : source.valueBytes;
}

/** Writes what stands behind the events, and the head of the frame. `leftOut`: bytes of the frame that are not written. */
function writeRest(message: WatchMessage, leftOut: number): void {
  const { position } = message;
  const resume = message.canResume ? resumeTextOf(message) : '';
  writer.reserve(MESSAGE_BYTES + resume.length);
  writePosition(2, position);
  if (resume.length > 0) writeText(3, resume, resume.length);
  writeNumber(4, message.isFragment ? 1 : 0);
  writeNumber(5, message.isInitialDone ? 1 : 0);
  writer.buffer[0] = 0;
  writer.view.setUint32(1, writer.at - FRAME_HEAD_BYTES + leftOut);
}

/** Most events go to one watcher: the bytes are kept when they are written for the second time. */
function writeEvent(event: WatchEvent, shiftMs: number): void {
  const { encoded } = event;
  if (shiftMs !== 0) encode(event, shiftMs, true);
  else if (encoded instanceof Uint8Array) {
    writer.reserve(encoded.length);
    writer.bytes(encoded);
  } else {
    const from = writer.at;
    encode(event, 0, true);
    event.encoded =
      encoded === undefined ? 'once' : Uint8Array.prototype.slice.call(writer.buffer, from, writer.at);
  }
}

/** Writes tag, length and event, and returns where its value stands; `hasValue`: or belongs, if it is left out. */
function encode(event: WatchEvent, shiftMs: number, hasValue: boolean): number {
  const { previous, source } = event;
  const keyBytes = source === undefined ? Buffer.byteLength(event.key) : source.keyBytes;
  const valueBytes = valueBytesOf(event);
  const writtenBytes = hasValue ? valueBytes : 0;
  const previousBytes = previous === undefined ? 0 : entryBytes(previous, keyBytes, shiftMs);
  writer.reserve(FIXED_BYTES + keyBytes + writtenBytes + previousBytes + typeBytes(event.contentType));
  writer.byte(TAG_OF_EVENTS);
  writer.varint(eventBytes(event, keyBytes, valueBytes, previousBytes, shiftMs));
  writeNumber(1, OPS[event.op]);
  writeNumber(2, CAUSES[event.cause]);
  if (source === undefined) writeText(3, event.key, keyBytes);
  else writePart(3, source.bytes, source.keyOffset, keyBytes);
  if (valueBytes > 0) writeLength(4, valueBytes);
  const valueAt = writer.at;
  if (source !== undefined) writer.part(source.bytes, source.valueOffset, writtenBytes);
  else if (hasValue) writer.bytes(event.value);
  writePosition(5, event.version);
  writeNumber(6, movedDeadline(event.expireAtMs, shiftMs));
  if (previous !== undefined) writeEntry(7, previous, keyBytes, previousBytes, shiftMs);
  writeNumber(8, event.isPreviousUnknown ? 1 : 0);
  writeNumber(9, event.isInitial ? 1 : 0);
  writeNumber(10, movedDeadline(event.timestampMs, shiftMs));
  writeType(11, event.contentType);
  return valueAt;
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
    typeBytes(event.contentType)
  );
}

function writeEntry(field: number, entry: Entry, keyBytes: number, bytes: number, shiftMs: number): void {
  writer.byte(lengthTag(field));
  writer.varint(bytes);
  writeText(1, entry.key, keyBytes);
  writeBytes(2, entry.value);
  writePosition(3, entry.version);
  writeNumber(4, movedDeadline(entry.expireAtMs, shiftMs));
  writeType(5, entry.contentType);
}

/** `keyBytes`: its key is that of its event. */
function entryBytes(entry: Entry, keyBytes: number, shiftMs: number): number {
  return (
    lengthBytes(keyBytes) +
    (entry.value.length === 0 ? 0 : lengthBytes(entry.value.length)) +
    lengthBytes(positionBytes(entry.version)) +
    numberBytes(movedDeadline(entry.expireAtMs, shiftMs)) +
    typeBytes(entry.contentType)
  );
}

function positionBytes({ epoch, lsn }: Position): number {
  return numberBytes(epoch) + numberBytes(lsn);
}

function writePosition(field: number, position: Position): void {
  writer.byte(lengthTag(field));
  writer.varint(positionBytes(position));
  writeNumber(1, position.epoch);
  writeNumber(2, position.lsn);
}

/** Writes the field, unless `value` is 0. */
function writeNumber(field: number, value: number): void {
  if (value === 0) return;
  writer.byte(varintTag(field));
  writer.varint(value);
}

function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

function writeText(field: number, text: string, bytes: number): void {
  writeLength(field, bytes);
  writer.at += writer.buffer.write(text, writer.at, bytes, 'utf8');
}

/** Writes a content type, which is ASCII, unless there is none. */
function writeType(field: number, contentType: string | undefined): void {
  if (contentType !== undefined) writeText(field, contentType, contentType.length);
}

function typeBytes(contentType: string | undefined): number {
  return contentType === undefined ? 0 : lengthBytes(contentType.length);
}

/** Writes the field, unless `bytes` is empty. */
function writeBytes(field: number, bytes: Uint8Array): void {
  if (bytes.length === 0) return;
  writeLength(field, bytes.length);
  writer.bytes(bytes);
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
