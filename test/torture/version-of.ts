/** Positions as the versions of a history: they rise along a log. */
import { termOf } from '#model/position.ts';

/** By the term, then the LSN: a master that starts again in its term has another epoch, which may be a lower number. */
export function versionOf(epoch: number, lsn: number): bigint {
  return (BigInt(termOf(epoch)) << 64n) | BigInt(lsn);
}
