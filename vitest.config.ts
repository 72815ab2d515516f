import { availableParallelism } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { defineConfig } from 'vitest/config';
import { findSwallowed } from './internal/platform/npm-options.ts';
import { BUILT, COMPILED } from './test/fill-compile-cache.ts';
import { ISOLATED } from './test/isolated-files.ts';

/** Those that are likely to be typed; without them far more would run than was asked for. */
const OPTIONS = ['t', 'test-name-pattern', 'watch', 'bail', 'max-workers', 'reporter', 'update', 'coverage'];
const swallowed = findSwallowed(process.env, 'test', OPTIONS);
if (swallowed !== undefined) throw new Error(`${swallowed.message}\n${swallowed.advice}`);

/** Tests that read all sources. One worker runs several of them, so that it parses the sources once. */
const OF_SOURCES = ['tidy', 'circles', 'sharing-workers', 'language', 'messages', 'outbound'].map(
  (name) => `test/house/${name}.test.ts`,
);

/**
 * For the heaps of workers. Tests fill buffers and drop them, and by default V8 marks a whole heap after each 64 MB
 * of these, which took a third of the processor time of test/engine. Here they count as the heap does, and it has
 * room.
 */
for (const flag of ['--external-memory-accounted-in-global-limit', '--initial-old-space-size=250'])
  setFlagsFromString(flag);

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'sources', include: OF_SOURCES, testTimeout: 120_000 },
      },
      { extends: true, test: { name: 'isolated', include: [...ISOLATED], isolate: true } },
      {
        extends: true,
        test: { name: 'sharing', include: ['test/**/*.test.ts'], exclude: [...OF_SOURCES, ...ISOLATED] },
      },
    ],
    // Processes that tests start need not strip the types of every file again, which takes half a second each.
    env: { NODE_COMPILE_CACHE: COMPILED, WALNUT_TEST_BINARIES_AT: BUILT },
    globalSetup: ['test/fill-compile-cache.ts'],
    pool: 'threads',
    isolate: false,
    // Spies end with their test. Nothing here mocks modules, so Node itself can load them, from its cache.
    restoreMocks: true,
    experimental: { viteModuleRunner: false, nodeLoader: false },
    // Many tests wait for processes: two files at once leave a fifth of two cores idle.
    maxWorkers: Math.max(3, availableParallelism() - 1),
    // Longer than `eventually` waits, which says what did not come.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['dot'],
    // What passing tests print is noise; what failing ones print is evidence.
    silent: 'passed-only',
  },
});
