/**
 * A body as it comes in pieces. A peer decides how small they are: each is an object
 * of a hundred bytes, and keeps all of the read that brought it, so small ones are
 * copied together.
 */
import { asBuffer } from '#platform/bytes.ts';

const SMALL_BYTES = 16_384;
const RUN_BYTES_MIN = 1_024;
const RUN_BYTES_MAX = 65_536;

export class BodyPieces {
  readonly #pieces: Uint8Array[] = [];
  /** Small pieces, one after another. */
  #run = Buffer.alloc(0);
  #runBytes = 0;
  #bytes = 0;

  constructor(first?: Uint8Array) {
    if (first !== undefined) this.add(first);
  }

  /** Objects that hold the body. */
  get count(): number {
    return this.#pieces.length + (this.#runBytes > 0 ? 1 : 0);
  }

  add(piece: Uint8Array): void {
    this.#bytes += piece.length;
    if (piece.length >= SMALL_BYTES) {
      this.#endRun();
      this.#pieces.push(piece);
      return;
    }
    if (this.#runBytes + piece.length > this.#run.length) this.#makeRoom(piece.length);
    this.#run.set(piece, this.#runBytes);
    this.#runBytes += piece.length;
  }

  /** The whole. */
  take(): Buffer {
    this.#endRun();
    const [first] = this.#pieces;
    if (first !== undefined && this.#pieces.length === 1) return asBuffer(first);
    return Buffer.concat(this.#pieces, this.#bytes);
  }

  #makeRoom(bytes: number): void {
    if (this.#runBytes + bytes > RUN_BYTES_MAX) this.#endRun();
    const size = Math.max(RUN_BYTES_MIN, 2 * (this.#runBytes + bytes));
    const larger = Buffer.allocUnsafeSlow(Math.min(RUN_BYTES_MAX, size));
    this.#run.copy(larger, 0, 0, this.#runBytes);
    this.#run = larger;
  }

  #endRun(): void {
    if (this.#runBytes === 0) return;
    this.#pieces.push(this.#run.subarray(0, this.#runBytes));
    this.#run = Buffer.alloc(0);
    this.#runBytes = 0;
  }
}
