/** The interface to randomness: unpredictable in production, seeded in tests. */
import { randomBytes, randomInt } from 'node:crypto';

export interface Random {
  /** A whole number in 0 .. 2^32 - 1. */
  uint32(): number;
  /** A 128-bit identity as 32 lower-case hex digits. */
  id128(): string;
}

export function createNodeRandom(): Random {
  return { uint32: () => randomInt(2 ** 32), id128: () => randomBytes(16).toString('hex') };
}
