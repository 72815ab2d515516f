/** When something that failed is tried again: after a first delay, then twice that, up to a longest one. */
export class Backoff {
  readonly #firstMs: number;
  readonly #longestMs: number;
  #delayMs: number;
  #notBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(firstMs: number, longestMs: number) {
    this.#firstMs = firstMs;
    this.#longestMs = longestMs;
    this.#delayMs = firstMs;
  }

  isOver(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs;
  }

  failed(nowMs: number): void {
    this.#notBeforeMs = nowMs + this.#delayMs;
    this.#delayMs = Math.min(2 * this.#delayMs, this.#longestMs);
  }

  reset(): void {
    this.#delayMs = this.#firstMs;
    this.#notBeforeMs = Number.NEGATIVE_INFINITY;
  }
}
