/**
 * Where the terms come from that nobody has led yet. A node chooses the next one
 * itself and asks the others to grant it; a coordinator would issue it instead.
 */
import { termAfter } from '#model/terms.ts';

export interface TermSource {
  /**
   * A term above `seen`, the highest one known. Throws `failed_precondition` or
   * `unavailable` where there is none: then nothing is led.
   */
  next(seen: number): Promise<number>;
}

/** The next number. Throws where the highest term was seen. */
export const OWN_TERMS: TermSource = { next: async (seen) => termAfter(seen) };
