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

export const QUOTE = 0x22;
export const BACKSLASH = 0x5c;
export const COLON = 0x3a;
export const COMMA = 0x2c;
export const OPEN_OBJECT = 0x7b;
export const CLOSE_OBJECT = 0x7d;
export const OPEN_LIST = 0x5b;
export const CLOSE_LIST = 0x5d;
export const SPACE = 0x20;

/** Receives the signs of JSON's structure as they are found. */
export interface SignWatch {
  /**
   * `at` is the offset of the sign, `depth` the nesting before it, `texts` how many texts
   * of bytes fields were found before, and `name` the name before a colon.
   */
  sign(byte: number, at: number, depth: number, texts: number, name: string): void;
}

/** Throws `resource_exhausted` above the limits and `invalid_argument` if the nesting is too deep. */
export function checkJson(bytes: Buffer, limits: JsonLimits): void {
  new JsonScan(bytes, limits).advance(bytes.length);
}

/**
 * One scan, in as many steps as its caller likes. Throws `resource_exhausted` above the
 * limits and `invalid_argument` if the nesting is too deep. Invalid JSON may pass; the
 * parser refuses it later.
 */
export class JsonScan {
  readonly #bytes: Buffer;
  readonly #limits: JsonLimits;
  readonly #restMax: number;
  readonly #watch: SignWatch | undefined;
  /** The texts of bytes fields found so far, in order. */
  readonly texts: TextRange[] = [];
  #at = 0;
  #fields = 0;
  #depth = 0;
  /** Bytes outside the texts of bytes fields. */
  #rest = 0;
  /** The last text; it is a name if a colon follows. */
  #name: TextRange | undefined;
  /** True after the name of a bytes field and its colon. */
  #isBytesNext = false;

  constructor(bytes: Buffer, limits: JsonLimits, watch?: SignWatch) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#restMax = limits.fieldsMax * BYTES_PER_FIELD;
    this.#watch = watch;
  }

  /** Bytes scanned outside the texts of bytes fields, which are passed over and cost nothing. */
  get rest(): number {
    return this.#rest;
  }

  /** Scans up to `restMax` bytes of `rest`, and one text more; true at the end. */
  advance(restMax: number): boolean {
    while (this.#at < this.#bytes.length && this.#rest < restMax) {
      const byte = this.#bytes[this.#at++] as number;
      this.#count(1);
      if (byte === QUOTE) this.#text();
      else if (byte > SPACE) this.#sign(byte);
    }
    return this.#at >= this.#bytes.length;
  }

  #sign(byte: number): void {
    if (byte === COLON) {
      const name = this.#takeName();
      this.#isBytesNext = this.#limits.bytesNames.has(name);
      this.#watch?.sign(byte, this.#at - 1, this.#depth, this.texts.length, name);
      return;
    }
    this.#isBytesNext = false;
    this.#watch?.sign(byte, this.#at - 1, this.#depth, this.texts.length, '');
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
      this.texts.push({ from, to });
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

  /** The last text, which a colon makes a name; empty without one. */
  #takeName(): string {
    if (this.#name === undefined) return '';
    const { from, to } = this.#name;
    this.#name = undefined;
    const name = this.#bytes.toString('latin1', from, Math.min(to, from + BYTES_PER_FIELD));
    // An escaped name would evade the bounds, which depend on the name.
    if (name.includes('\\')) throw invalidArgument('a name of a field has an escape: expected plain letters');
    return name;
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
