/** The short form of `npm run test:torture -- --only fuzz`. Prints the seed that reproduces a failure. */
import { expect, it } from 'vitest';
import { fuzz } from './fuzz.ts';

const MESSAGES = Number(process.env['WALNUT_FUZZ_MESSAGES'] ?? 2_000);

it('mutated messages, credentials and files break nothing and write nothing that was not asked for', async () => {
  const counts = await fuzz(Date.now() % 1_000_000, MESSAGES);
  expect(counts.messages).toBe(MESSAGES);
  expect([counts.served, counts.written, counts.credentials, counts.files].every((count) => count > 0)).toBe(
    true,
  );
}, 600_000);
