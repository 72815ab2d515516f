/**
 * Where copies of small values are handed out from: an ArrayBuffer per answer
 * would cost ten times the copy. A piece belongs to whoever got it and is never
 * written again; its 16 KiB live as long as one of its pieces.
 */
const POOL_BYTES = 16_384;
/** From here on a value has a buffer of its own; such a copy costs what its bytes cost. */
const POOLED_BYTES_MAX = 2_048;
/** Up to here words are copied one by one, which is cheaper than the call that copies memory. */
export const WORDWISE_BYTES_MAX = 256;

export const EMPTY_VALUE = new Uint8Array(0);

export class ValuePool {
  #words = new Int32Array(0);
  #at = 0;

  /** A copy of `length` bytes from word `at` of `words`. */
  copy(words: Int32Array, at: number, length: number): Uint8Array {
    if (length === 0) return EMPTY_VALUE;
    const first = 4 * at;
    if (length > POOLED_BYTES_MAX) return new Uint8Array(words.buffer.slice(first, first + length));
    const count = (length + 3) >>> 2;
    if (this.#at + count > this.#words.length) {
      this.#words = new Int32Array(Buffer.allocUnsafeSlow(POOL_BYTES).buffer);
      this.#at = 0;
    }
    const target = this.#words;
    const start = this.#at;
    this.#at += count;
    if (length <= WORDWISE_BYTES_MAX) {
      for (let i = 0; i < count; i++) target[start + i] = words[at + i] as number;
    } else {
      target.set(words.subarray(at, at + count), start);
    }
    return new Uint8Array(target.buffer, 4 * start, length);
  }
}
