/**
 * Scans a message in JSON before it is parsed: counts its fields and finds the texts of
 * its bytes fields. Only bytes fields need long texts, so everything else has a bound of
 * its own; that rest is what `JSON.parse` and the schema's decoder process.
 */
import { invalidArgument, WalnutError } from '#model/errors.ts';
import { TEXT_BYTES_MAX, textTooLong, tooManyFields } from '#wire/message-check.ts';

export interface JsonLimits {
  /** Most objects, lists and members in total. */
  readonly fieldsMax: number;
  /** Names of fields that contain bytes, in base64. */
  readonly bytesNames: ReadonlySet<string>;
}

/** The range of a bytes field's text within the JSON, without its quotes. */
export interface TextRange {
  readonly from: number;
  readonly to: number;
}

/** Average bytes allowed per field for names, short texts and white space, besides texts of bytes fields. */
const BYTES_PER_FIELD = 64;
/** Deepest nesting allowed; requests need six levels. */
const DEPTH_MAX = 32;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const COMMA = 0x2c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const SPACE = 0x20;

/**
 * Returns the texts of bytes fields, in order. Throws `resource_exhausted` above the
 * limits and `invalid_argument` if the nesting is too deep. Invalid JSON may pass; the
 * parser refuses it later.
 */
export function scanJson(bytes: Buffer, limits: JsonLimits): TextRange[] {
  return new Scan(bytes, limits).run();
}

class Scan {
  readonly #bytes: Buffer;
  readonly #limits: JsonLimits;
  readonly #restMax: number;
  readonly #texts: TextRange[] = [];
  #at = 0;
  #fields = 0;
  #depth = 0;
  /** Bytes outside the texts of bytes fields. */
  #rest = 0;
  /** The last text; it is a name if a colon follows. */
  #name: TextRange | undefined;
  /** True after the name of a bytes field and its colon. */
  #isBytesNext = false;

  constructor(bytes: Buffer, limits: JsonLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#restMax = limits.fieldsMax * BYTES_PER_FIELD;
  }

  run(): TextRange[] {
    while (this.#at < this.#bytes.length) {
      const byte = this.#bytes[this.#at++] as number;
      this.#count(1);
      if (byte === QUOTE) this.#text();
      else if (byte > SPACE) this.#sign(byte);
    }
    return this.#texts;
  }

  #sign(byte: number): void {
    if (byte === COLON) {
      this.#isBytesNext = this.#isBytesName();
      return;
    }
    this.#isBytesNext = false;
    if (byte === COMMA) this.#field();
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      this.#field();
      this.#depth++;
      if (this.#depth > DEPTH_MAX) {
        throw invalidArgument(
          `the message nests deeper than any request: expected at most ${DEPTH_MAX} levels`,
        );
      }
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) this.#depth--;
  }

  #text(): void {
    const from = this.#at;
    if (this.#isBytesNext) {
      this.#isBytesNext = false;
      const to = this.#bytes.indexOf(QUOTE, from);
      // Base64 contains no quote, so an escaped quote is an error.
      if (to < 0 || this.#bytes[to - 1] === BACKSLASH) throw invalidArgument('a bytes field is no base64');
      this.#texts.push({ from, to });
      this.#at = to + 1;
      return;
    }
    for (;;) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined || byte === QUOTE) break;
      if (byte === BACKSLASH) this.#at++;
      if (this.#at - from > TEXT_BYTES_MAX) throw textTooLong();
    }
    this.#count(this.#at - from);
    this.#name = { from, to: this.#at - 1 };
  }

  #isBytesName(): boolean {
    if (this.#name === undefined) return false;
    const { from, to } = this.#name;
    this.#name = undefined;
    const name = this.#bytes.toString('latin1', from, Math.min(to, from + BYTES_PER_FIELD));
    // An escaped name would evade the bounds, which depend on the name.
    if (name.includes('\\')) throw invalidArgument('a name of a field has an escape: expected plain letters');
    return this.#limits.bytesNames.has(name);
  }

  #field(): void {
    this.#fields++;
    const { fieldsMax } = this.#limits;
    if (this.#fields > fieldsMax) throw tooManyFields(fieldsMax);
  }

  #count(bytes: number): void {
    this.#rest += bytes;
    if (this.#rest > this.#restMax) {
      throw new WalnutError(
        'resource_exhausted',
        `the message has more than ${this.#restMax} bytes beside its values: send less at once`,
      );
    }
  }
}
