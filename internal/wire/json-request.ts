/**
 * Reads requests of one operation in plain JSON, as encoders write it: fields that it
 * knows, each once and in any order, no escapes, no nulls, whole numbers of digits only.
 * For every other form, and for invalid requests, it returns false; the caller then uses
 * the schema's decoder, which accepts or refuses them.
 */
import { isUtf8 } from 'node:buffer';
import { PLAIN_EXPIRY } from '#model/bulk.ts';
import type { SetCommand } from '#model/commands.ts';
import { KEY_BYTES_MAX } from '#model/limits.ts';
import { decodePlain } from '#wire/json-base64.ts';
import { BACKSLASH, CLOSE_OBJECT, COLON, COMMA, OPEN_OBJECT, QUOTE, SPACE } from '#wire/json-scan.ts';
import { AT_LEAST, DELETE, GET, INCREMENT, OperationColumns, SET, TOUCH } from '#wire/kv-columns.ts';
import { WAIT_MS_MAX } from '#wire/numbers.ts';
import type { ToldGroup } from '#wire/told-group.ts';

/** Longer requests are decoded in slices, by the general way. */
export const REQUEST_BYTES_MAX = 65_536;
/** The digits of 2^53; numbers of fewer digits are exact. */
const DIGITS_MAX = 16;
const DIGIT_0 = 0x30;
const MINUS = 0x2d;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const RETURN = 0x0d;
const NO_BYTES = Buffer.alloc(0);

/** Fields, as bits. */
const KEY = 1;
const VALUE = 2;
const TTL_MS = 4;
const EXPIRE_AT_MS = 8;
const WAIT_MS = 16;
const POSITION = 32;
const DELTA = 64;
const INITIAL = 128;
const EPOCH = 256;
const LSN = 512;
const GROUP = 1_024;
const EXPIRY = TTL_MS | EXPIRE_AT_MS;

interface FieldName {
  readonly bytes: Uint8Array;
  readonly field: number;
  /** Fields that cannot stand beside it, itself included. */
  readonly excludes: number;
}

/** A field of more than one word has two names. */
const named = (field: number, ...texts: readonly string[]): FieldName[] =>
  texts.map((text) => ({
    bytes: Buffer.from(text),
    field,
    excludes: (field & EXPIRY) === 0 ? field : EXPIRY,
  }));
const KEY_NAME = named(KEY, 'key');
const EXPIRY_NAMES = [
  ...named(TTL_MS, 'ttlMs', 'ttl_ms'),
  ...named(EXPIRE_AT_MS, 'expireAtMs', 'expire_at_ms'),
];
const POSITION_NAMES = [...named(EPOCH, 'epoch'), ...named(LSN, 'lsn'), ...named(GROUP, 'group')];
/** The names of each kind's fields. */
const NAMES: Readonly<Record<number, readonly FieldName[]>> = {
  [GET]: [...KEY_NAME, ...named(POSITION, 'atLeast', 'at_least'), ...named(WAIT_MS, 'waitMs', 'wait_ms')],
  [SET]: [...KEY_NAME, ...named(VALUE, 'value'), ...EXPIRY_NAMES],
  [DELETE]: KEY_NAME,
  [INCREMENT]: [...KEY_NAME, ...named(DELTA, 'delta'), ...named(INITIAL, 'initial'), ...EXPIRY_NAMES],
  [TOUCH]: [...KEY_NAME, ...EXPIRY_NAMES],
};

/** Its bytes are overwritten by the next request, and a command may be carried out later. */
class JsonColumns extends OperationColumns {
  override setCommand(i: number): SetCommand {
    const command = super.setCommand(i);
    return { ...command, value: Uint8Array.from(command.value) };
  }
}

export class JsonRequestReader {
  /** The last request; valid until the next one is read, and only if reading returned true. */
  readonly columns: OperationColumns = new JsonColumns(1);
  readonly #valueBytesMax: number;
  readonly #group: ToldGroup | undefined;
  /** The key, and behind the room for it the value. */
  readonly #plain = Buffer.allocUnsafeSlow(KEY_BYTES_MAX + REQUEST_BYTES_MAX);
  #json: Buffer = NO_BYTES;
  #at = 0;

  /** `group`: that of the node, which the position of a Get may name; undefined: it may name none. */
  constructor(valueBytesMax: number, group?: ToldGroup) {
    this.#valueBytesMax = valueBytesMax;
    this.#group = group;
  }

  /** A request of one operation, as `kind` says. */
  read(kind: number, json: Buffer): boolean {
    const names = NAMES[kind];
    if (names === undefined || json.length > REQUEST_BYTES_MAX) return false;
    this.#json = json;
    this.#at = 0;
    this.#begin();
    const given = this.#object(names);
    if (given < 0 || (given & KEY) === 0 || this.#sign() !== undefined) return false;
    // Without a deadline it is refused, which the general way does.
    if (kind === TOUCH && (given & EXPIRY) === 0) return false;
    this.columns.add(kind, (given & POSITION) === 0 ? 0 : AT_LEAST);
    return true;
  }

  /** Lets go of the request. */
  close(): void {
    this.#json = NO_BYTES;
    this.columns.close();
  }

  /** Sets what fields that are not given count as. */
  #begin(): void {
    const { columns } = this;
    columns.begin(this.#plain);
    columns.keyOffsets[0] = 0;
    columns.valueOffsets[0] = KEY_BYTES_MAX;
    columns.valueBytes[0] = 0;
    columns.expiries[0] = PLAIN_EXPIRY.default;
    columns.expiryMs[0] = 0;
    columns.waitMs[0] = 0;
    columns.deltas[0] = 1;
    columns.initials[0] = 0;
    columns.atLeastEpochs[0] = 0;
    columns.atLeastLsns[0] = 0;
  }

  /** Reads an object and returns which fields it has; -1 where it has another form. */
  #object(names: readonly FieldName[]): number {
    if (this.#sign() !== OPEN_OBJECT) return -1;
    let given = 0;
    if (this.#skipBlanks() === CLOSE_OBJECT) {
      this.#at++;
      return given;
    }
    for (;;) {
      const name = this.#name(names);
      if (name === undefined || (given & name.excludes) !== 0 || !this.#value(name.field)) return -1;
      given |= name.field;
      const sign = this.#sign();
      if (sign === CLOSE_OBJECT) return given;
      if (sign !== COMMA) return -1;
    }
  }

  /** Reads a name and its colon. */
  #name(names: readonly FieldName[]): FieldName | undefined {
    if (this.#sign() !== QUOTE) return undefined;
    for (const name of names) {
      if (!this.#startsWith(name.bytes)) continue;
      this.#at += name.bytes.length + 1;
      return this.#sign() === COLON ? name : undefined;
    }
    return undefined;
  }

  /** True if `text` follows, and a quote behind it. */
  #startsWith(text: Uint8Array): boolean {
    const json = this.#json;
    const at = this.#at;
    const { length } = text;
    if (json[at + length] !== QUOTE) return false;
    for (let i = 0; i < length; i++) if (json[at + i] !== text[i]) return false;
    return true;
  }

  #value(field: number): boolean {
    const { columns } = this;
    switch (field) {
      case KEY:
        return this.#key();
      case VALUE:
        return this.#base64();
      case TTL_MS:
        return this.#whole(columns.expiryMs, 1) && this.#expires(PLAIN_EXPIRY.ttl);
      case EXPIRE_AT_MS:
        return this.#whole(columns.expiryMs, 0) && this.#expires(PLAIN_EXPIRY.at);
      case WAIT_MS:
        return this.#whole(columns.waitMs, 0, WAIT_MS_MAX);
      case POSITION:
        return this.#object(POSITION_NAMES) >= 0;
      case EPOCH:
        return this.#whole(columns.atLeastEpochs, 0);
      case LSN:
        return this.#whole(columns.atLeastLsns, 0);
      case GROUP:
        return this.#isOwnGroup();
      case DELTA:
        return this.#whole(columns.deltas, Number.MIN_SAFE_INTEGER);
      default:
        return this.#whole(columns.initials, Number.MIN_SAFE_INTEGER);
    }
  }

  #isOwnGroup(): boolean {
    if (this.#sign() !== QUOTE) return false;
    const from = this.#at;
    const to = this.#json.indexOf(QUOTE, from);
    this.#at = to + 1;
    return to >= 0 && this.#group?.isAt(this.#json, from, to) === true;
  }

  #expires(kind: number): true {
    this.columns.expiries[0] = kind;
    return true;
  }

  #key(): boolean {
    if (this.#sign() !== QUOTE) return false;
    const json = this.#json;
    const key = this.#plain;
    let at = this.#at;
    let length = 0;
    let bits = 0;
    for (;;) {
      const byte = json[at++];
      if (byte === QUOTE) break;
      if (byte === undefined || byte < SPACE || byte === BACKSLASH || length === KEY_BYTES_MAX) return false;
      bits |= byte;
      key[length++] = byte;
    }
    // Most keys are ASCII, which is always well-formed.
    if (length === 0 || (bits >= 0x80 && !isUtf8(key.subarray(0, length)))) return false;
    this.#at = at;
    this.columns.keyBytes[0] = length;
    return true;
  }

  #base64(): boolean {
    if (this.#sign() !== QUOTE) return false;
    const json = this.#json;
    const end = json.indexOf(QUOTE, this.#at);
    if (end < 0) return false;
    const bytes = decodePlain(json, this.#at, end, this.#plain, KEY_BYTES_MAX);
    if (bytes < 0 || bytes > this.#valueBytesMax) return false;
    this.#at = end + 1;
    this.columns.valueBytes[0] = bytes;
    return true;
  }

  /** Reads a whole number, in quotes or not, into `column`; false where it is not from `least` to `most`. */
  #whole(column: Float64Array | Uint16Array, least: number, most = Number.MAX_SAFE_INTEGER): boolean {
    const json = this.#json;
    const isQuoted = this.#skipBlanks() === QUOTE;
    let at = this.#at + (isQuoted ? 1 : 0);
    const isNegative = json[at] === MINUS;
    if (isNegative) at++;
    const from = at;
    let value = 0;
    for (;;) {
      const digit = (json[at] ?? 0) - DIGIT_0;
      if (digit < 0 || digit > 9) break;
      value = value * 10 + digit;
      at++;
    }
    const digits = at - from;
    if (digits === 0 || digits > DIGITS_MAX) return false;
    // No number begins with 0 but 0 itself, which has no sign.
    if (json[from] === DIGIT_0 && (digits > 1 || isNegative)) return false;
    if (isQuoted && json[at++] !== QUOTE) return false;
    const number = isNegative ? -value : value;
    if (number < least || number > most) return false;
    this.#at = at;
    column[0] = number;
    return true;
  }

  /** The next byte that is no white space, which it passes; undefined at the end. */
  #sign(): number | undefined {
    const byte = this.#skipBlanks();
    this.#at++;
    return byte;
  }

  /** Passes white space and returns the byte behind it; undefined at the end. */
  #skipBlanks(): number | undefined {
    const json = this.#json;
    let at = this.#at;
    let byte = json[at];
    while (byte === SPACE || byte === LINE_FEED || byte === RETURN || byte === TAB) byte = json[++at];
    this.#at = at;
    return byte;
  }
}
