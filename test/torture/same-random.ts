/**
 * Preloaded into a traced master: identities and nonces that are the same in
 * every run. So the names of files are the same too, and strace can be given them.
 */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { SeededRandom } from '#test/doubles/seeded-random.ts';

const random = new SeededRandom(Number(process.env.WALNUT_TORTURE_SEED ?? 1));
const randomBytes = (size: number): Buffer =>
  Buffer.from(Uint8Array.from({ length: size }, () => random.below(256)));

Object.assign(crypto, { randomBytes, randomInt: (below: number) => random.uint32() % below });
syncBuiltinESMExports();
