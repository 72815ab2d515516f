/** Planted bugs of the edge: errors on the wire, admission, the bulk path. */
import type { Mutant } from './mutants.ts';

export const ADMISSION_MUTANTS: readonly Mutant[] = [
  {
    name: 'bug of another node taken for its verdict',
    file: 'internal/peer/peer-errors.ts',
    text: "  return code === 'internal' || code === 'cancelled' ? 'unavailable' : code;",
    replacement: "  return code === 'cancelled' ? 'unavailable' : code;",
    tests: ['test/peer/peer-dialer.test.ts'],
  },
  {
    name: 'precondition that says where to read taken for a replica that refuses writes',
    file: 'internal/wire/error-codec.ts',
    text: '  const isRouted = routing === undefined ? leaderHint !== undefined : isNotLeader(routing.reason);',
    replacement: '  const isRouted = leaderHint !== undefined;',
    tests: ['test/wire/error-codec.test.ts'],
  },
];
