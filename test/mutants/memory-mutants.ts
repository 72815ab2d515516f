/** Planted bugs of what memory is planned for. */
import type { Mutant } from './mutant.ts';

const PLAN = 'test/platform/memory-plan.test.ts';
const BUDGET = 'test/rpc/body-budget.test.ts';
const ROOM = 'test/server/body-room.test.ts';

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
    text: "if (left < 0) return 'all';",
    replacement: "if (left < -1e9) return 'all';",
    tests: [BUDGET],
  },
  {
    name: 'room for bodies that one caller may take alone',
    file: 'internal/rpc/body-budget.ts',
    text: 'return isSmallFirst || ofCaller <= SHARE * left',
    replacement: 'return isSmallFirst || ofCaller >= 0',
    tests: [BUDGET],
  },
  {
    name: 'room for bodies counted by token, not by user',
    file: 'internal/rpc/body-budget.ts',
    text: '  const owner = ownerOf(caller);',
    replacement:
      "  const owner = caller.principal.name === 'anonymous' ? ownerOf(caller) : (caller.principal as never);",
    tests: [BUDGET],
  },
  {
    name: 'room for bodies that the large first one of a caller takes whole',
    file: 'internal/rpc/body-budget.ts',
    text: ' && ofCaller <= SMALL_PART * bytesMax;',
    replacement: ';',
    tests: [BUDGET],
  },
  {
    name: 'body that is refused when half of it was received',
    file: 'internal/rpc/body-budget.ts',
    text: 'this.#take(bytes, isOldest && this.#counted > 0);',
    replacement: 'this.#take(bytes, isOldest && this.#counted < 0);',
    tests: [BUDGET, ROOM],
  },
  {
    name: 'PUT whose body takes its room as it comes',
    file: 'internal/server/keys-body.ts',
    text: '  admit(reservation, announced, request, clock);',
    replacement: '',
    tests: [ROOM],
  },
  {
    name: 'rpc whose large body is refused once it comes',
    file: 'internal/rpc/unary/body.ts',
    text: 'const READ_BYTES_MAX = 65_536;',
    replacement: 'const READ_BYTES_MAX = 65_536_000;',
    tests: [ROOM],
  },
  {
    name: 'expanded body refused because of what it was sent as',
    file: 'internal/rpc/unary/unary-call.ts',
    text: '    const { reservation } = this;\n',
    replacement: '    const reservation = this.#options.budget.reserve(this.#call);\n',
    tests: [ROOM],
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
  {
    name: 'value of a Touch that is remembered and not counted',
    file: 'internal/master/accepted.ts',
    text: 'entry: touched.entry && change(touched.entry) }',
    replacement: 'entry: touched.entry }',
    tests: ['test/master/named-once.test.ts'],
  },
];
