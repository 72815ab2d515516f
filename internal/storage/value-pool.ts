/**
 * Copies small values into shared buffers of 16 KiB, because one ArrayBuffer per
 * value would cost ten times the copy. The pool never writes to a copy again. A
 * buffer stays in memory as long as one of its copies is referenced.
 */
const POOL_BYTES = 16_384;
/** The copy of a longer value gets an ArrayBuffer of its own: copying its bytes then outweighs the allocation. */
const POOLED_BYTES_MAX = 2_048;
/** Up to this length a loop over words is cheaper than the call that copies memory. */
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
