/** Bugs of what is kept of what was set aside. */
import type { Mutant } from './mutant.ts';

const PRUNER = 'test/engine/aside-pruner.test.ts';

export const ASIDE_MUTANTS: readonly Mutant[] = [
  {
    name: 'diverged tail deleted that nobody has seen',
    file: 'internal/engine/aside-pruner.ts',
    text: 'tail.seenMs === undefined && holds(tail)',
    replacement: 'tail.seenMs !== undefined && holds(tail)',
    tests: [PRUNER],
  },
  {
    name: 'tail with writes taken for one that says only who leads',
    file: 'internal/engine/diverged-from.ts',
    text: ' && frames.every(({ type }) => LEADERSHIP.includes(type))',
    replacement: '',
    tests: ['test/engine/diverged.test.ts'],
  },
  {
    name: 'unseen tail unprotected once it is not listed',
    file: 'internal/engine/aside-pruner.ts',
    text: '    if (seen === -1) keepsAsideTo =',
    replacement: '    if (seen === -2) keepsAsideTo =',
    tests: [PRUNER],
  },
  {
    name: 'tail called seen and kept for ever all the same',
    file: 'internal/engine/aside-pruner.ts',
    text: '      tail.id === id ? { ...tail, seenMs: nowMs } : tail,',
    replacement: '      tail.id !== id ? { ...tail, seenMs: nowMs } : tail,',
    tests: [PRUNER],
  },
  {
    name: 'tail that was set aside during a look told a minute late',
    file: 'internal/engine/aside-pruner.ts',
    text: 'await this.#untilDue(diverged);',
    replacement: 'await this.#untilDue(manifestOf(directory).diverged);',
    tests: [PRUNER],
  },
  {
    name: 'conflict told to another master than the one that quarantined',
    file: 'internal/slave/push-intake.ts',
    text: 'if (request.masterNodeId !== state.masterNodeId) {',
    replacement: 'if (request.masterNodeId !== state.masterNodeId && state.takesPushes) {',
    tests: ['test/node/ways-out.test.ts'],
  },
  {
    name: 'replica quarantined by a foreign master said to have another history',
    file: 'internal/node/advice.ts',
    text: 'isQuarantined && isRegistered',
    replacement: 'isQuarantined',
    tests: ['test/node/advice.test.ts'],
  },
  {
    name: 'file of somebody else in aside/ deleted',
    file: 'internal/engine/aside-pruner.ts',
    text: 'all.filter(({ name }) => isAsideName(name))',
    replacement: '[...all]',
    tests: [PRUNER],
  },
  {
    name: 'stray file in aside/ that is read as a folder',
    file: 'internal/wal/aside-folders.ts',
    text: 'if (stat?.isDirectory === true) folders',
    replacement: 'if (stat !== undefined) folders',
    tests: ['test/engine/diverged.test.ts', 'test/cli/wal-inspect.test.ts'],
  },
  {
    name: 'temporary file of another program deleted at a start',
    file: 'internal/wal/wal-directory.ts',
    text: 'else if (isUnfinishedName(name)) await',
    replacement: 'else if (name.endsWith(TEMPORARY_SUFFIX)) await',
    tests: ['test/wal/kept-log.test.ts'],
  },
];
