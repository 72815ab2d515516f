/** JSON that is being written: texts, and values that become base64 only when the whole is taken. */
import { SLICE_BYTES, type Slices } from '#platform/slices.ts';

/** A value of this size becomes text at once. */
const SMALL_BYTES = 1_024;
/** A text of this many characters becomes a piece. */
const PIECE_CHARACTERS = 65_536;
/** A slice of base64 is whole groups of three bytes. */
const BASE64_SLICE_BYTES = 3 * Math.floor(SLICE_BYTES / 4);

export class JsonPieces {
  readonly #pieces: (string | Buffer)[] = [];
  #text = '';
  /** Bytes of all pieces, once they are written. */
  #bytes = 0;
  #written = 0;

  /** Characters written since the last slice ended. */
  get written(): number {
    return this.#written + this.#text.length;
  }

  endSlice(): number {
    const { written } = this;
    this.#flush();
    this.#written = 0;
    return written;
  }

  /** Returns true, as whatever is supported. */
  put(text: string): true {
    this.#text += text;
    if (this.#text.length >= PIECE_CHARACTERS) this.#flush();
    return true;
  }

  /** A value in quotes. It must not change before the whole is taken. */
  base64(value: Buffer): void {
    if (value.length <= SMALL_BYTES) {
      this.put(`"${value.toString('base64')}"`);
      return;
    }
    this.put('"');
    this.#flush();
    this.#pieces.push(value);
    this.#bytes += base64Bytes(value.length);
    this.put('"');
  }

  /** Everything where it is one short text, with `headroom` unwritten bytes before it; undefined otherwise. */
  tryTake(headroom: number): Buffer | undefined {
    if (this.#pieces.length > 0) return undefined;
    const text = this.#text;
    const out = Buffer.allocUnsafe(headroom + Buffer.byteLength(text));
    out.write(text, headroom);
    return out;
  }

  /** Everything, with `headroom` unwritten bytes before it. */
  *take(headroom: number): Slices<Buffer> {
    this.#flush();
    const out = Buffer.allocUnsafe(headroom + this.#bytes);
    let at = headroom;
    let work = this.#written;
    for (const piece of this.#pieces) {
      const isText = typeof piece === 'string';
      const end = isText ? 1 : piece.length;
      for (let from = 0; from < end; from += BASE64_SLICE_BYTES) {
        const text = isText
          ? piece
          : piece.toString('base64', from, Math.min(from + BASE64_SLICE_BYTES, end));
        if (work + text.length > SLICE_BYTES && work > 0) {
          yield work;
          work = 0;
        }
        at += out.write(text, at, isText ? 'utf8' : 'latin1');
        work += text.length;
      }
    }
    return out;
  }

  #flush(): void {
    const text = this.#text;
    if (text === '') return;
    this.#pieces.push(text);
    this.#bytes += Buffer.byteLength(text);
    this.#written += text.length;
    this.#text = '';
  }
}

function base64Bytes(bytes: number): number {
  return 4 * Math.ceil(bytes / 3);
}
