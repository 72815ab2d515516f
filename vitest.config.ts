import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'threads',
    testTimeout: 30_000,
    hookTimeout: 30_000,
    reporters: ['dot'],
    // What passing tests print is noise; what failing ones print is evidence.
    silent: 'passed-only',
  },
});
