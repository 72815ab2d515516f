/**
 * Fields of an entry beside key, value and deadline, as records and snapshots of
 * version 2 have them: type u8, length u16, bytes. None may be skipped: a field is
 * state, which every node must keep. Pure.
 */
import { BlockError } from '#platform/blocks.ts';

const CONTENT_TYPE = 1;
const HEAD_BYTES = 3;

/** Where the content type stands in the bytes that were read; 0 bytes: there is none. */
export interface EntryFields {
  typeOffset: number;
  typeBytes: number;
}

/** What the field of a content type takes; nothing where there is none. */
export function fieldsBytesOf(typeBytes: number): number {
  return typeBytes === 0 ? 0 : HEAD_BYTES + typeBytes;
}

/** Writes what stands before a content type; returns where its bytes are to be written. */
export function beginContentType(target: Buffer, at: number, typeBytes: number): number {
  target[at] = CONTENT_TYPE;
  target.writeUInt16LE(typeBytes, at + 1);
  return at + HEAD_BYTES;
}

/** Reads the fields in `bytes[from, to)`. Throws `BlockError`. */
export function readFields(bytes: Buffer, from: number, to: number, into: EntryFields): void {
  into.typeOffset = from;
  into.typeBytes = 0;
  let typeBefore = 0;
  for (let at = from; at < to; ) {
    if (at + HEAD_BYTES > to) throw new BlockError(at, 'a field ends within its head');
    const type = bytes[at] as number;
    const content = at + HEAD_BYTES;
    const end = content + bytes.readUInt16LE(at + 1);
    if (type <= typeBefore) throw new BlockError(at, `field ${type} after field ${typeBefore}`);
    if (end > to) throw new BlockError(at, `field ${type} does not fit`);
    if (type === CONTENT_TYPE) readContentType(bytes, content, end, into);
    else throw new BlockError(at, `unknown field ${type} of an entry`, true);
    typeBefore = type;
    at = end;
  }
}

function readContentType(bytes: Buffer, from: number, to: number, into: EntryFields): void {
  if (to === from || to - from > 255) throw new BlockError(from, `a content type of ${to - from} bytes`);
  for (let at = from; at < to; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x20 || byte > 0x7e) throw new BlockError(at, 'a content type is not printable ASCII');
  }
  into.typeOffset = from;
  into.typeBytes = to - from;
}
