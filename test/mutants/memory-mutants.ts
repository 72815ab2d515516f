/** Planted bugs of what memory is planned for. */
import type { Mutant } from './mutant.ts';

const PLAN = 'test/platform/memory-plan.test.ts';

export const MEMORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'memory for entries by ratio, whatever else there must be room for',
    file: 'internal/platform/memory-plan.ts',
    text: 'const bytes = Math.min(limitBytes * STORE_SHARE_MAX, leftBytes / BYTES_PER_STORE_BYTE);',
    replacement: 'const bytes = limitBytes * STORE_SHARE_MAX + 0 * leftBytes;',
    tests: [PLAN, 'test/config/load-config.test.ts'],
  },
  {
    name: 'key blamed for a value that nobody chose',
    file: 'internal/platform/memory-plan.ts',
    text: 'if (plan.limitBytes < MEMORY_BYTES_MIN || storeBytes === plan.storeBytes) {',
    replacement: 'if (plan.limitBytes < 0) {',
    tests: [PLAN],
  },
  {
    name: 'request bodies counted without a bound',
    file: 'internal/rpc/body-budget.ts',
    text: 'if (held + bytes > bytesMax && held > counted) {',
    replacement: 'if (held + bytes > bytesMax * 1e9) {',
    tests: ['test/rpc/body-budget.test.ts'],
  },
  {
    name: 'metric with a label that belongs to summaries',
    file: 'internal/platform/event-loop-delay.ts',
    text: "    ['percentile'],",
    replacement: "    ['quantile' as 'percentile'],",
    tests: ['test/platform/metrics.test.ts'],
  },
  {
    name: 'push of more bytes than it may have',
    file: 'internal/replication/pusher.ts',
    text: 'feed.read(previous.lsn, pushBytesMax)',
    replacement: 'feed.read(previous.lsn, 8 * pushBytesMax)',
    tests: ['test/replication/pusher.test.ts'],
  },
];
