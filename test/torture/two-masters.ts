/**
 * Finds two masters of a group that took writes at one time, by what clients sent and were
 * answered: a write in a lower term that was sent after the first acknowledgement in a
 * higher one, and acknowledged. Pure.
 */
export interface AckedWrite {
  readonly term: number;
  readonly startMs: number;
  readonly endMs: number;
}

/** The writes for which that is so. */
export function overlapsOf<Write extends AckedWrite>(writes: readonly Write[]): Write[] {
  const byTerm = [...writes].sort((a, b) => b.term - a.term);
  const overlaps: Write[] = [];
  /** The first acknowledgement in a term above the one that is looked at, and in that one. */
  let higherMs = Number.POSITIVE_INFINITY;
  let ownMs = Number.POSITIVE_INFINITY;
  let term = Number.POSITIVE_INFINITY;
  for (const write of byTerm) {
    if (write.term < term) {
      higherMs = Math.min(higherMs, ownMs);
      ownMs = Number.POSITIVE_INFINITY;
      term = write.term;
    }
    ownMs = Math.min(ownMs, write.endMs);
    if (write.startMs > higherMs) overlaps.push(write);
  }
  return overlaps;
}
