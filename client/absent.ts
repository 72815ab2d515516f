/** An entry by which `getOrSet` keeps what its loader found to be missing: for its readers the key has no value. */
export const ABSENT = 'application/x-walnut-absent';

export function isAbsent({ contentType }: { readonly contentType: string }): boolean {
  return contentType === ABSENT;
}
