/** Planted bugs of import and export, and of what connects the client to other programs. */
import type { Mutant } from './mutant.ts';

export const MOVE_MUTANTS: readonly Mutant[] = [
  {
    name: 'import that does not look at the checksum of an RDB file',
    file: 'cmd/walnut/move/rdb-file.ts',
    text: '  if (told !== 0n && told !== actual)',
    replacement: '  if (told !== 0n && told !== actual && told === 0n)',
    tests: ['test/cli/move/rdb-file.test.ts'],
  },
  {
    name: 'import that loses keys whose deadline no node takes',
    file: 'cmd/walnut/move/rdb-keys.ts',
    text: 'Math.min(Math.max(1, ms), Number.MAX_SAFE_INTEGER)',
    replacement: 'Math.max(1, ms)',
    tests: ['test/cli/move/move.test.ts'],
  },
  {
    name: 'import that gives a key the deadline of the one before',
    file: 'cmd/walnut/move/rdb-keys.ts',
    text: '      expireAtMs = 0;',
    replacement: '',
    tests: ['test/cli/move/rdb-file.test.ts'],
  },
  {
    name: 'import that leaves the default deadline to keys without one',
    file: 'cmd/walnut/move/import-run.ts',
    text: 'expiry, contentType, ...condition',
    replacement: '...(expireAtMs > 0 ? { expiry } : {}), contentType, ...condition',
    tests: ['test/cli/move/move.test.ts'],
  },
  {
    name: 'import that tells a place behind the last batch',
    file: 'cmd/walnut/move/import-run.ts',
    text: '    seen++;',
    replacement: '    counts.done = ++seen;',
    tests: ['test/cli/move/move.test.ts'],
  },
  {
    name: 'import that mixes the databases of a redis',
    file: 'cmd/walnut/move/import-run.ts',
    text: 'database === plan.database',
    replacement: 'database >= 0',
    tests: ['test/cli/move/move.test.ts'],
  },
  {
    name: 'client call that is refused at its turn and keeps its key',
    file: 'client/key-order.ts',
    text: '    else if (!tryToBegin(turn)) this.leave(turn);',
    replacement: '    else tryToBegin(turn);',
    tests: ['test/client/key-order.test.ts'],
  },
  {
    name: 'store for Keyv 6 whose namespaces are one',
    file: 'client/keyv.ts',
    text: '    return withinOf(this.namespace) + key;',
    replacement: '    return key;',
    tests: ['test/client/keyv-versions.test.ts'],
  },
  {
    name: 'store for Keyv 6 that takes a moment for a duration',
    file: 'client/keyv.ts',
    text: "{ expiry: { case: 'expireAtMs', value:",
    replacement: "{ expiry: { case: 'ttlMs', value:",
    tests: ['test/client/keyv-versions.test.ts'],
  },
  {
    name: 'span of a call that ends when it is reported',
    file: 'client/opentelemetry.ts',
    text: '  span.end(calledAtMs + tookMs);',
    replacement: '  span.end();',
    tests: ['test/client/opentelemetry.test.ts'],
  },
  {
    name: 'client on fetch whose calls outlive it',
    file: 'internal/dial/fetch-transport.ts',
    text: 'AbortSignal.any([signal, closed])',
    replacement: 'signal',
    tests: ['test/client/fetch-seams.test.ts'],
  },
  {
    name: 'client on fetch that sends the cookies of a page',
    file: 'internal/dial/fetch-transport.ts',
    text: "credentials: 'omit'",
    replacement: "credentials: 'include'",
    tests: ['test/client/fetch-seams.test.ts'],
  },
];
