/**
 * Distributes the operations of a trace to many workers, in order and each once, without an
 * await per operation. It keeps one chunk of the trace in memory.
 */
import type { TraceOperation } from './trace-operation.ts';

export class TraceQueue {
  readonly #iterator: AsyncIterator<readonly TraceOperation[]>;
  #chunk: readonly TraceOperation[] = [];
  #next = 0;
  #remaining: number;
  #refill: Promise<boolean> | undefined;

  /** `limit` undefined: the whole trace. */
  constructor(chunks: AsyncIterable<readonly TraceOperation[]>, limit = Number.POSITIVE_INFINITY) {
    this.#iterator = chunks[Symbol.asyncIterator]();
    this.#remaining = limit;
  }

  /**
   * Returns the next operations: at most `count`, at least one, and either all gets or no
   * gets. Undefined if the chunk is empty; then call `refill`.
   */
  take(count: number): readonly TraceOperation[] | undefined {
    const first = this.#chunk[this.#next];
    if (first === undefined || this.#remaining === 0) return undefined;
    const end = Math.min(this.#chunk.length, this.#next + Math.min(count, this.#remaining));
    let last = this.#next + 1;
    while (last < end && (this.#chunk[last]?.kind === 'get') === (first.kind === 'get')) last++;
    const taken = this.#chunk.slice(this.#next, last);
    this.#remaining -= taken.length;
    this.#next = last;
    return taken;
  }

  /** Reads the next chunk; false at the end or the limit. Waiting workers share one read. */
  refill(): Promise<boolean> {
    this.#refill ??= this.#readChunk().finally(() => {
      this.#refill = undefined;
    });
    return this.#refill;
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#iterator.return?.();
  }

  async #readChunk(): Promise<boolean> {
    while (this.#remaining > 0 && this.#next >= this.#chunk.length) {
      const next = await this.#iterator.next();
      if (next.done === true) return false;
      this.#chunk = next.value;
      this.#next = 0;
    }
    return this.#remaining > 0;
  }
}
