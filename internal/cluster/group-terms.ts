/** Which terms of a group a coordinator gives and believes. Pure. */
import type { Group } from '#cluster/shard-map.ts';
import { TERM_JUMP_MAX, termAfter } from '#model/terms.ts';

/** The first term of a group that begins with an empty log: nobody leads such a log in a lower one. */
export const FIRST_TERM = 1;

/**
 * How many plans may be withdrawn in one term. Members know of none of these terms, and believe
 * no claim that is more than `TERM_JUMP_MAX` above what they know.
 */
const WITHDRAWN_MAX = TERM_JUMP_MAX / 2;

/** The highest term that the store gave to the group. */
export function termGiven({ term, next, withdrawn }: Group): number {
  return Math.max(term, next?.term ?? 0, withdrawn);
}

/** True if a planned failover may be begun. After too many in vain only a failover gives a term. */
export function mayPlan({ term, withdrawn }: Group): boolean {
  return withdrawn - term < WITHDRAWN_MAX;
}

/** The term of the next failover. Throws `failed_precondition` if there is none left. */
export function nextTerm(group: Group): number {
  return termAfter(termGiven(group));
}

/**
 * What a term that a member states says about the store, once the store was read again.
 * `ahead`: the store never gave it, so the store is older than the group. `absurd`: too
 * far above to be believed, so the member does not count.
 */
export function judgeTerm(group: Group, stated: number): 'known' | 'ahead' | 'absurd' {
  const given = termGiven(group);
  if (stated <= given) return 'known';
  return stated <= given + TERM_JUMP_MAX ? 'ahead' : 'absurd';
}
