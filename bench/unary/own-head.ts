/** The fields in which the heads of requests differ, as those of a service do that is called itself. */
export class OwnHeads {
  #numbered = 0;

  /** Those of the next request. */
  next(): { readonly timeoutMs: string; readonly traceparent: string } {
    const number = ++this.#numbered;
    const id = number.toString(16);
    return {
      timeoutMs: String(5_000 + (number % 5_000)),
      traceparent: `00-${id.padStart(32, '0')}-${id.padStart(16, '0')}-01`,
    };
  }
}
