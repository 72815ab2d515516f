/**
 * Decides which terms a node believes. A term decides who leads and is persisted
 * for good, so one message with a term near the maximum would leave the group no
 * higher term for a promotion. Pure.
 */
import { WalnutError } from '#model/errors.ts';
import { TERM_MAX } from '#model/position.ts';

/** How far a term that another node states may be above the highest one known here. */
export const TERM_JUMP_MAX = 1_024;

/** Advice for operators. All nodes must stop, because a term that is reset on one node may have been granted by another. */
const MEND =
  'if a node has persisted it by mistake, stop every node of the group and run on each: walnut wal reset-term DIR';

/**
 * Why a term that another node states is not believed; undefined if it is. `known`
 * is the highest term persisted here, undefined on a node without a log.
 */
export function whyNotBelieved(term: number, known: number | undefined): string | undefined {
  if (!Number.isInteger(term) || term < 0 || term > TERM_MAX) {
    return `term ${term} is not believed: expected a whole number up to ${TERM_MAX}; ${MEND}`;
  }
  if (known === undefined || term <= known + TERM_JUMP_MAX) return undefined;
  return (
    `term ${term} is not believed: it is more than ${TERM_JUMP_MAX} above ${known}, ` +
    `the highest one known here; ${MEND}`
  );
}

/** Throws `failed_precondition` if the term is not believed. */
export function checkBelieved(term: number, known: number | undefined): void {
  const why = whyNotBelieved(term, known);
  if (why !== undefined) throw new WalnutError('failed_precondition', why);
}

/** The term after the highest one seen. Throws `failed_precondition` if there is none left. */
export function termAfter(seen: number): number {
  if (seen < TERM_MAX) return seen + 1;
  throw new WalnutError('failed_precondition', describeLastTerm(seen));
}

/**
 * How many terms are left out before the first one that a restored log leads, so that positions of terms that
 * its group has led since the backup are below it, and known as discarded. Nodes believe twice as many. Fewer
 * near the highest term, which must not be used up.
 */
export function restoredTerms(seen: number): number {
  return Math.max(0, Math.min(TERM_JUMP_MAX / 2, TERM_MAX - TERM_JUMP_MAX - seen));
}

/** The term above which a node begins its next one, if it decides so itself: `seen`, and those that a restored log leaves out. */
export function termToExceed(manifest: { readonly isRestored?: boolean | undefined }, seen: number): number {
  return manifest.isRestored === true ? seen + restoredTerms(seen) : seen;
}

/** Says what to do when the highest term was seen, so that no promotion is possible. */
export function describeLastTerm(seen: number): string {
  return (
    `term ${seen} was seen and ${TERM_MAX} is the highest there is, so no node of this group can lead a further ` +
    'one: stop all of them and run on each: walnut wal reset-term DIR'
  );
}
