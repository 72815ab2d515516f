/**
 * Puts the pieces of a body together as they arrive, in one buffer: joined at its end, a
 * large body would take the event loop for tens of milliseconds. Copying is also why a
 * body of many small pieces is few objects and keeps no read buffers.
 */
import { asBuffer } from '#platform/bytes.ts';

const CAPACITY_MIN = 4_096;
const NOTHING = Buffer.alloc(0);

export class BodyPieces {
  readonly #expected: number;
  /** The only piece so far, which is not copied. */
  #first: Uint8Array | undefined;
  #buffer = NOTHING;
  #length = 0;

  /** `expected` is the length of the whole body, or 0 if that is not known. */
  constructor(expected = 0) {
    this.#expected = expected;
  }

  /** Bytes allocated for the body. */
  get capacity(): number {
    return this.#buffer.length;
  }

  add(piece: Uint8Array): void {
    const first = this.#first;
    if (this.#length === 0) {
      this.#first = piece;
      this.#length = piece.length;
      return;
    }
    const length = this.#length + piece.length;
    if (length > this.#buffer.length) this.#grow(length);
    if (first !== undefined) {
      this.#buffer.set(first, 0);
      this.#first = undefined;
    }
    this.#buffer.set(piece, this.#length);
    this.#length = length;
  }

  /** The body, which is the caller's from now on; nothing may be added afterwards. */
  take(): Buffer {
    const body = this.#first === undefined ? this.#buffer.subarray(0, this.#length) : asBuffer(this.#first);
    this.#first = undefined;
    this.#buffer = NOTHING;
    this.#length = 0;
    return body;
  }

  #grow(length: number): void {
    const doubled = Math.max(CAPACITY_MIN, 2 * length);
    // Memory that nothing was written to yet costs nothing, so the whole is allocated at once.
    const larger = Buffer.allocUnsafeSlow(length <= this.#expected ? this.#expected : doubled);
    if (this.#first === undefined) this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}
