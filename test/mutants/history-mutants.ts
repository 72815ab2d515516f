/** Bugs of the checkers of histories, by which they would pass what is wrong; and errors of etcd taken for answers. */
import type { Mutant } from './mutant.ts';

const CHECKER = 'test/torture/linearizable.ts';
const CHECKED = 'test/torture/linearizable.test.ts';

export const HISTORY_MUTANTS: readonly Mutant[] = [
  {
    name: 'history passed in which an answer fits no order',
    file: CHECKER,
    text: 'if (settled.length === 0) return',
    replacement: 'if (settled.length < 0) return',
    tests: [CHECKED],
  },
  {
    name: 'history in which a write without an answer must have happened',
    file: CHECKER,
    text: 'if (operation.endMs !== undefined) keep(operation);',
    replacement: 'keep({ ...operation, endMs: operation.endMs ?? operation.startMs + 1 });',
    tests: [CHECKED],
  },
  {
    name: 'history passed in which a compare-and-set ignores what it compared with',
    file: CHECKER,
    text: "act.kind === 'read' || (act.kind === 'swap' && act.from !== value)",
    replacement: "act.kind === 'read'",
    tests: [CHECKED],
  },
  {
    name: 'overlap of two masters passed where a term lies between them',
    file: 'test/torture/two-masters.ts',
    text: 'higherMs = Math.min(higherMs, ownMs);',
    replacement: 'higherMs = ownMs;',
    tests: ['test/torture/two-masters.test.ts'],
  },
  {
    name: 'answer of etcd without a message taken for the end of the lease',
    file: 'internal/metadata/etcd/etcd-store.ts',
    text: "      throw unavailable('the stream ended without an answer');",
    replacement: '      return 0;',
    tests: ['test/metadata/etcd-store.test.ts'],
  },
];
