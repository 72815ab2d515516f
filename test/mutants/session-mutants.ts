/** Planted bugs of sessions over forced promotions: what is told as gone, when, and how often. */
import type { Mutant } from './mutant.ts';

const tests = ['test/client/session.test.ts'];

export const SESSION_MUTANTS: readonly Mutant[] = [
  {
    name: 'session that doubts an earlier position of the epoch of its token',
    file: 'client/session.ts',
    text: 'this.#unproven.filter((one) => one.epoch !== position.epoch);',
    replacement: 'this.#unproven.slice();',
    tests,
  },
  {
    name: 'positions of a session of any number of groups',
    file: 'internal/wire/call-headers.ts',
    text: '  if (counts.size > GROUPS_MAX)',
    replacement: '  if (counts.size > 9 * GROUPS_MAX)',
    tests: ['test/wire/call-headers.test.ts'],
  },
  {
    name: 'session that follows a write into a history without what it saw',
    file: 'client/session.ts',
    text: '    if (known !== undefined && known.epoch !== position.epoch) this.doubt(isMove ? known : position);\n',
    replacement: '',
    tests,
  },
  {
    name: 'session that drops what a deposed master answered late',
    file: 'client/session.ts',
    text: 'this.doubt(isMove ? known : position);',
    replacement: 'this.doubt(known);',
    tests,
  },
  {
    name: 'session that takes a higher LSN of another epoch for one that has all before it',
    file: 'client/session.ts',
    text: '  return one.epoch === other.epoch && one.lsn >= other.lsn;',
    replacement: '  return one.lsn >= other.lsn;',
    tests,
  },
  {
    name: 'session that tells a loss at every read',
    file: 'client/session.ts',
    text: '      this.#unproven = NONE;\n      // What it was',
    replacement: '      // What it was',
    tests,
  },
  {
    name: 'session that asks at every read whether what it saw is there',
    file: 'client/session.ts',
    text: 'this.#unproven.filter((one) => !hasAll(included, one));',
    replacement: 'this.#unproven.slice();',
    tests,
  },
  {
    name: 'client that reads on while nobody can say whether what it saw is gone',
    file: 'client/batch-sender.ts',
    text: 'const told = OF_KEY.has(error.code) ? [read] :',
    replacement: 'const told = error.code !== Code.DataLoss ? [] :',
    tests,
  },
  {
    name: 'session whose loss is told to the near cache alone',
    file: 'client/group-keys.ts',
    text: 'caller.ask(key, readFrom);',
    replacement: 'this.#read(key, {});',
    tests,
  },
  {
    name: 'session whose near entries are given although what it saw may be gone',
    file: 'client/group-keys.ts',
    text: 'const isProven = session.unproven.length === 0 && ',
    replacement: 'const isProven = ',
    tests: ['test/client/near-cache.test.ts'],
  },
  {
    name: 'client that gives a page of a history without what it saw',
    file: 'client/paged-calls.ts',
    text: '    if (caller.session.unproven.length > 0) await caller.prove(',
    replacement: '    if (caller.session.token === undefined) await caller.prove(',
    tests,
  },
  {
    name: 'session that scans: what it saw in an earlier epoch is not proven',
    file: 'internal/model/group-seen.ts',
    text: 'epoch !== asOf.epoch || lsn > asOf.lsn',
    replacement: 'epoch === asOf.epoch && lsn > asOf.lsn',
    tests: ['test/routing/scan-sessions.test.ts', 'test/server/node-session.test.ts'],
  },
  {
    name: 'session that scans: what is beyond the end of the epoch is told as not there yet',
    file: 'internal/model/group-seen.ts',
    text: 'epoch !== asOf.epoch || lsn > asOf.lsn',
    replacement: 'epoch !== asOf.epoch && lsn !== asOf.lsn + 0.5',
    tests: ['test/routing/scan-sessions.test.ts'],
  },
  {
    name: 'session that scans: a loss is told without the group that it is of',
    file: 'internal/model/group-seen.ts',
    text: 'await prove(unshown).catch((error: unknown) => {\n      throw this.#asLost(error);',
    replacement: 'await prove(unshown).catch((error: unknown) => {\n      throw error;',
    tests: ['test/routing/scan-sessions.test.ts'],
  },
  {
    name: 'session that scans: each page proves what the one before has proven',
    file: 'internal/server/session-keys.ts',
    text: 'for (const position of asOfAll) this.#note(position, this.#brought);',
    replacement: 'for (const position of asOfAll) this.#note(position);',
    tests: ['test/routing/scan-sessions.test.ts'],
  },
];
