/**
 * Rooms whose test files run one after another in the same workers, and so load what they import
 * once: a third less processor time. Their tests, and the helpers of these, leave nothing behind
 * when a file ends, which `test/house/sharing-rooms.test.ts` checks.
 */
export const SHARING_ROOMS = [
  'cluster',
  'config',
  'coordinator',
  'engine',
  'master',
  'model',
  'node',
  'replication',
  'routing',
  'slave',
  'storage',
  'wal',
  'watch',
  'wire',
] as const;

/** Files of these rooms that need a worker of their own, as all other tests have. */
export const ISOLATED: readonly string[] = [
  // A helper of these registers its clean-up when it is loaded, which is once in a worker.
  'test/node/recovery-progress.test.ts',
  'test/wal/one-judge.test.ts',
  // Measures the memory of its process.
  'test/storage/snapshot-hostile.test.ts',
];
