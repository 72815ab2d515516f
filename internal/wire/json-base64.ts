/**
 * Decodes the base64 text of a bytes field straight from the bytes of the JSON, in slices.
 * Accepts what protobuf-es accepts: either alphabet, padded or not, with JSON's escapes
 * and with escaped line ends.
 */
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';
import { BACKSLASH, type TextRange } from '#wire/json-scan.ts';

/** Characters of base64 decoded at once; a multiple of four, so that each slice is whole bytes. */
const SLICE_CHARACTERS = SLICE_BYTES;
const PADDING = 0x3d;
const LETTERS_AND_DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Returns the value, or undefined if the text is no base64. */
export function* decodeText(json: Buffer, { from, to }: TextRange): Slices<Buffer | undefined> {
  const written = json.subarray(from, to);
  if (written.includes(BACKSLASH)) return yield* decodeEscaped(written);
  const digits = digitsOf(written, 0, written.length);
  if (digits % 4 === 1) return undefined;
  const value = Buffer.allocUnsafeSlow(Math.floor((digits * 3) / 4));
  let at = 0;
  for (let start = 0; start < digits; start += SLICE_CHARACTERS) {
    if (start > 0) yield SLICE_CHARACTERS;
    const characters = written.toString('latin1', start, Math.min(start + SLICE_CHARACTERS, digits));
    at = decodeSome(characters, value, at);
    if (at < 0) return undefined;
  }
  return value;
}

/**
 * Decodes `json[from, to)`, a text of less than a slice, to `target` at `at`, which has
 * room for it. Returns the length of the value; -1 if there are escapes, white space or
 * padding in the text, or if it is no base64.
 */
export function decodePlain(json: Buffer, from: number, to: number, target: Buffer, at: number): number {
  const digits = digitsOf(json, from, to);
  if (digits % 4 === 1) return -1;
  if (digits <= SHORT_CHARACTERS) return decodeShort(json, from, from + digits, target, at);
  const end = decodeSome(json.toString('latin1', from, from + digits), target, at);
  return end < 0 ? -1 : end - at;
}

/** Up to so many characters, decoding them here costs less than a string of them and native code. */
const SHORT_CHARACTERS = 256;
/** For each byte, its six bits as a character of either alphabet, or 255 if it is none. */
const SEXTETS = new Uint8Array(256).fill(255);
for (const [bits, byte] of Buffer.from(`${LETTERS_AND_DIGITS}+/`).entries()) SEXTETS[byte] = bits;
for (const [bits, byte] of Buffer.from('-_').entries()) SEXTETS[byte] = 62 + bits;

/** `decodePlain` of characters without padding, which are not one too many. */
function decodeShort(json: Buffer, from: number, to: number, target: Buffer, start: number): number {
  let at = start;
  let i = from;
  let seen = 0;
  for (; i + 4 <= to; i += 4) {
    const a = SEXTETS[json[i] as number] as number;
    const b = SEXTETS[json[i + 1] as number] as number;
    const c = SEXTETS[json[i + 2] as number] as number;
    const d = SEXTETS[json[i + 3] as number] as number;
    seen |= a | b | c | d;
    const bits = (a << 18) | (b << 12) | (c << 6) | d;
    target[at] = bits >>> 16;
    target[at + 1] = bits >>> 8;
    target[at + 2] = bits;
    at += 3;
  }
  if (i < to) {
    const a = SEXTETS[json[i] as number] as number;
    const b = SEXTETS[json[i + 1] as number] as number;
    const c = i + 2 < to ? (SEXTETS[json[i + 2] as number] as number) : 0;
    seen |= a | b | c;
    target[at++] = (a << 2) | (b >>> 4);
    if (i + 2 < to) target[at++] = (b << 4) | (c >>> 2);
  }
  return seen > 63 ? -1 : at - start;
}

/** The length of a text without up to two characters of padding. */
function digitsOf(json: Buffer, from: number, to: number): number {
  let end = to;
  while (end > from && end > to - 2 && json[end - 1] === PADDING) end--;
  return end - from;
}

/** Decodes characters without padding to `target` at `at` and returns where they end; -1 if they are no base64. */
function decodeSome(characters: string, target: Buffer, at: number): number {
  const bytes = Math.floor((characters.length * 3) / 4);
  // Node skips characters that are not base64, so it then writes too few bytes.
  return target.write(characters, at, bytes, 'base64') === bytes ? at + bytes : -1;
}

const LETTER_U = 0x75;
/** For each byte, 1 if it is a character of base64. */
const SIGNS = new Uint8Array(256);
for (const byte of Buffer.from(`${LETTERS_AND_DIGITS}+/-_=`)) SIGNS[byte] = 1;
/** For each byte, its value as a hex digit, or 256 if it is none. */
const HEX = new Uint16Array(256).fill(256);
for (let digit = 0; digit < 16; digit++) {
  const [lower = 0] = Buffer.from(digit.toString(16));
  const [upper = 0] = Buffer.from(digit.toString(16).toUpperCase());
  HEX[lower] = digit;
  HEX[upper] = digit;
}
/** For each letter after a backslash, the base64 character that it stands for, or `BLANK` for white space. */
const BLANK = 1;
const ESCAPES = new Uint8Array(256);
ESCAPES[0x2f] = 0x2f;
for (const byte of Buffer.from('nrt')) ESCAPES[byte] = BLANK;
/** Lines of base64 have 64 or 76 characters and end with up to two characters of white space. */
const BYTES_PER_BLANK = 16;
/** Written bytes that are read at once. */
const ESCAPED_SLICE_BYTES = SLICE_BYTES / 4;

/** Decodes a text that contains JSON escapes such as `\/` and `\u002B`, without its line ends. */
function* decodeEscaped(written: Buffer): Slices<Buffer | undefined> {
  const plain = Buffer.allocUnsafeSlow(written.length);
  const state: Unescaping = { at: 0, length: 0, blanksLeft: Math.ceil(written.length / BYTES_PER_BLANK) };
  while (state.at < written.length) {
    if (state.at > 0) yield ESCAPED_SLICE_BYTES;
    if (!readEscaped(written, plain, state, state.at + ESCAPED_SLICE_BYTES)) return undefined;
  }
  return yield* decodeText(plain, { from: 0, to: state.length });
}

interface Unescaping {
  at: number;
  /** Characters written to the target so far. */
  length: number;
  blanksLeft: number;
}

/** Goes on up to `end`, and to the end of an escape there; false if the text is no base64. */
function readEscaped(written: Buffer, target: Buffer, state: Unescaping, end: number): boolean {
  let { at, length } = state;
  const until = Math.min(end, written.length);
  for (; at < until; at++) {
    let byte = written[at] as number;
    if (byte === BACKSLASH) {
      const letter = written[++at] ?? 0;
      if (letter === LETTER_U) {
        // A missing hex digit sets bits above a byte, so that the check below refuses it.
        byte =
          ((HEX[written[at + 1] ?? 0] as number) << 12) |
          ((HEX[written[at + 2] ?? 0] as number) << 8) |
          ((HEX[written[at + 3] ?? 0] as number) << 4) |
          (HEX[written[at + 4] ?? 0] as number);
        at += 4;
      } else {
        byte = ESCAPES[letter] as number;
        if (byte === BLANK && --state.blanksLeft >= 0) continue;
      }
    }
    if (SIGNS[byte] !== 1) return false;
    target[length++] = byte;
  }
  state.at = at;
  state.length = length;
  return true;
}
