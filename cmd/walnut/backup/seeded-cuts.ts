/**
 * A pseudo-random sequence that depends on the seed only, for choosing where a drill cuts.
 * Not suitable for secrets.
 */
import { createHash } from 'node:crypto';
import type { Random } from '#platform/random.ts';

export function createSeededRandom(seed: number): Random {
  let draws = 0;
  const next = (): Buffer => createHash('sha256').update(`${seed} ${draws++}`).digest();
  return { uint32: () => next().readUInt32LE(0), id128: () => next().toString('hex', 0, 16) };
}
