/**
 * Chooses the next term to lead. By default a node chooses it itself and asks the
 * others to grant it; a coordinator would issue it instead.
 */
import { termAfter } from '#model/terms.ts';

export interface TermSource {
  /**
   * Returns a term above `seen`, the highest one known. Throws `failed_precondition`
   * or `unavailable` if there is none; then nothing is led.
   */
  next(seen: number): Promise<number>;
}

/** The next number. Throws if the highest term was seen. */
export const OWN_TERMS: TermSource = { next: async (seen) => termAfter(seen) };
