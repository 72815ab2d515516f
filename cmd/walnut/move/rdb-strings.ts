/**
 * Lengths and strings of redis's RDB files. The functions are coroutines, so that they
 * know nothing of files: they yield how many bytes they need, and are given exactly
 * those; a negative number passes over so many.
 */
import { expandLzf } from './lzf.ts';

/** Asks for bytes, and returns `T`. */
export type Reading<T> = Generator<number, T, Buffer>;

/** Redis itself has no longer strings. */
const STRING_BYTES_MAX = 536_870_912;
const INT8 = 0;
const INT16 = 1;
const INT32 = 2;
const LZF = 3;

export function* readByte(): Reading<number> {
  return (yield 1)[0] as number;
}

/** A length; or, where a string is not stored as it is, the complement of how it is. */
function* readLengthOrForm(): Reading<number> {
  const first = yield* readByte();
  switch (first >> 6) {
    case 0:
      return first;
    case 1:
      return ((first & 0x3f) << 8) | (yield* readByte());
    case 3:
      return ~(first & 0x3f);
    default:
      if (first === 0x80) return (yield 4).readUInt32BE();
      if (first === 0x81) return Number((yield 8).readBigUInt64BE());
      throw new Error(`a length begins with byte ${first}: expected another`);
  }
}

export function* readLength(): Reading<number> {
  const length = yield* readLengthOrForm();
  if (length < 0) throw new Error('a string stands where a length was expected');
  return length;
}

/** Undefined, where it has more than `bytesMax` bytes: then it was passed over. */
export function* readString(bytesMax: number): Reading<Buffer | undefined> {
  const length = yield* readLengthOrForm();
  if (length >= 0) return yield* readPlain(length, bytesMax);
  switch (~length) {
    case INT8:
      return Buffer.from(String((yield 1).readInt8()));
    case INT16:
      return Buffer.from(String((yield 2).readInt16LE()));
    case INT32:
      return Buffer.from(String((yield 4).readInt32LE()));
    case LZF: {
      const compressed = yield* readLength();
      const bytes = yield* readLength();
      const input = yield* readPlain(compressed, bytes > bytesMax ? -1 : bytesMax);
      return input && expandLzf(input, bytes);
    }
    default:
      throw new Error(`a string is stored in form ${~length}: expected 0 to 3`);
  }
}

export function* passString(): Reading<void> {
  yield* readString(-1);
}

export function* passStrings(count: number): Reading<void> {
  for (let i = 0; i < count; i++) yield* passString();
}

function* readPlain(length: number, bytesMax: number): Reading<Buffer | undefined> {
  if (length > STRING_BYTES_MAX)
    throw new Error(`a string has ${length} bytes: expected at most ${STRING_BYTES_MAX}`);
  if (length <= bytesMax) return length === 0 ? Buffer.alloc(0) : yield length;
  yield -length;
  return undefined;
}
