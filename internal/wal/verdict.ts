/**
 * Torn or corrupt: what the first bad bytes of a log mean. A pure function of
 * what the scan found. The table with the reasons is in internal/wal/README.md,
 * "Torn or corrupt".
 */
import { assertNever } from '#platform/assert.ts';

export const ENDS_EARLY = 'the segment ends without its seal';

export interface Damage {
  /** What is found where an item should begin. */
  readonly what: 'item' | 'header' | 'unsealed_end';
  /** Its checksums are valid: a newer program wrote it. */
  readonly isUnknown?: boolean;
  /** A segment with a higher number exists. */
  readonly hasLaterSegment: boolean;
  /**
   * The first record that is lost if the log ends before the damage, or the
   * first one not in the base snapshot where that is later.
   */
  readonly neededLsn: number;
  /** The highest LSN that MANIFEST or any valid item after the damage shows to have been durable; 0 if none. */
  readonly provenDurableLsn: number;
  readonly provenBy?: 'MANIFEST' | 'a later item';
}

export type Verdict =
  | { readonly kind: 'torn' }
  /** The segment ends where an open segment may end: there is no damage. */
  | { readonly kind: 'tail' }
  | { readonly kind: 'corrupt'; readonly why: string }
  /** There is no damage, but this program is too old for the item. */
  | { readonly kind: 'newer' };

export function judgeDamage(damage: Damage): Verdict {
  if (damage.isUnknown === true) return { kind: 'newer' };
  if (damage.hasLaterSegment) {
    const what = damage.what === 'unsealed_end' ? ENDS_EARLY : 'damaged';
    return { kind: 'corrupt', why: `${what}, though a later segment shows that it was durable` };
  }
  switch (damage.what) {
    case 'unsealed_end':
      return { kind: 'tail' };
    case 'header':
      return { kind: 'corrupt', why: 'the header was durable before anything was appended' };
    case 'item':
      if (damage.provenDurableLsn >= damage.neededLsn) {
        const { provenDurableLsn, provenBy = 'a later item' } = damage;
        const why = `damaged, and ${provenBy} shows that LSN ${provenDurableLsn} had been durable`;
        return { kind: 'corrupt', why };
      }
      return { kind: 'torn' };
    default:
      return assertNever(damage.what);
  }
}
