/**
 * The life of a data directory, a number in MANIFEST. A cluster counts a member by its
 * name and incarnation, so a directory that lost or replaced durable records gets a new
 * one: at its initialisation, by a restore, by `discard_local` and by a repair. A torn
 * end, and a cut back to the history of a higher term, keep it: nothing that they take
 * away was on the disks of a majority.
 */
import type { Random } from '#platform/random.ts';

/** A number in 1 .. 2^53 - 1. */
export function newIncarnation(random: Random): number {
  return (random.uint32() % 0x20_0000) * 0x1_0000_0000 + random.uint32() + 1;
}
