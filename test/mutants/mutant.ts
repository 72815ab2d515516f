/** A deliberate change of the code that a named test must notice. */
export interface Mutant {
  readonly name: string;
  /** Relative to the root. */
  readonly file: string;
  readonly text: string;
  readonly replacement: string;
  /** Test files of which at least one test must fail. */
  readonly tests: readonly string[];
  /** What speaks HTTP/1.1, and HTTP/2, in these tests; our own codecs if absent. */
  readonly http1?: 'node';
  readonly http2?: 'node';
}
