import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Its worker does not always end (100 % of a core after the last test), and the run with it:
    // WALNUT_LINKS=1 npm test -- test/torture/links.test.ts, or npm run test:torture -- --only links.
    exclude: process.env['WALNUT_LINKS'] === undefined ? ['test/torture/links.test.ts'] : [],
    pool: 'threads',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['dot'],
    // What passing tests print is noise; what failing ones print is evidence.
    silent: 'passed-only',
  },
});
