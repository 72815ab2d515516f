/**
 * Test files that need a worker of their own. All others run one after another in the same workers, and so load
 * what they import once: this saves most of the processor time of short files. They and their helpers leave nothing
 * behind when a file ends, which `test/house/sharing-workers.test.ts` checks.
 */
export const ISOLATED: readonly string[] = [
  // Registers its clean-up in a helper, when this is loaded, which is once in a worker.
  'test/runbooks/runbooks.test.ts',
  // Sets a variable of its environment for all processes that it starts.
  'test/package/package.test.ts',
  // Measures the memory of its process.
  'test/storage/snapshot-hostile.test.ts',
];
