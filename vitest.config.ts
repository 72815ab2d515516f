import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { findSwallowed } from './internal/platform/npm-options.ts';
import { COMPILED } from './test/fill-compile-cache.ts';
import { ISOLATED, SHARING_ROOMS } from './test/sharing-rooms.ts';

/** Those that are likely to be typed; without them far more would run than was asked for. */
const OPTIONS = ['t', 'test-name-pattern', 'watch', 'bail', 'max-workers', 'reporter', 'update', 'coverage'];
const swallowed = findSwallowed(process.env, 'test', OPTIONS);
if (swallowed !== undefined) throw new Error(`${swallowed.message}\n${swallowed.advice}`);

/** Tests that read all sources. One worker runs several of them, so that it parses the sources once. */
const OF_SOURCES = ['tidy', 'circles', 'sharing-rooms', 'language', 'messages', 'outbound'].map(
  (name) => `test/house/${name}.test.ts`,
);
const SHARING = SHARING_ROOMS.map((room) => `test/${room}/**/*.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        extends: true,
        test: { name: 'sources', include: OF_SOURCES, isolate: false, testTimeout: 120_000 },
      },
      {
        extends: true,
        test: { name: 'stateless rooms', include: SHARING, exclude: [...ISOLATED], isolate: false },
      },
      { extends: true, test: { name: 'isolated', include: [...ISOLATED] } },
      {
        extends: true,
        test: { name: 'all others', include: ['test/**/*.test.ts'], exclude: [...OF_SOURCES, ...SHARING] },
      },
    ],
    // Processes that tests start need not strip the types of every file again, which takes half a second each.
    env: { NODE_COMPILE_CACHE: COMPILED },
    globalSetup: ['test/fill-compile-cache.ts'],
    pool: 'threads',
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
