/** Bugs by which a term that cannot be is believed, or an operator finds no way out. */
import type { Mutant } from './mutants.ts';

const BELIEVED = 'test/node/believed-terms.test.ts';
const RESET = 'test/cli/wal-reset-term.test.ts';

export const TERM_MUTANTS: readonly Mutant[] = [
  {
    name: 'term believed however far it jumps',
    file: 'internal/model/terms.ts',
    text: 'term <= known + TERM_JUMP_MAX',
    replacement: 'term > known',
    tests: [BELIEVED],
  },
  {
    name: 'term persisted however far it jumps',
    file: 'internal/engine/engine-host.ts',
    text: 'checkBelieved(term, this.knownTerm);',
    replacement: 'checkBelieved(term, undefined);',
    tests: [BELIEVED],
  },
  {
    name: 'term of a frame believed however far it jumps',
    file: 'internal/slave/receiver.ts',
    text: 'if (last !== undefined) checkBelieved(',
    replacement: 'if (last === undefined) checkBelieved(0 * ',
    tests: [BELIEVED],
  },
  {
    name: 'term in the status of another node believed however far it jumps',
    file: 'internal/node/ask-replicas.ts',
    text: '  const why = whyNotBelieved(termSeenBy(asked), own.term);',
    replacement: '  const why = whyNotBelieved(termSeenBy(asked), undefined);',
    tests: [BELIEVED],
  },
  {
    name: 'master forced on a directory that has no term left',
    file: 'internal/node/open-host.ts',
    text: '(highest === TERM_MAX && !isForced)',
    replacement: 'highest === TERM_MAX',
    tests: [BELIEVED],
  },
  {
    name: 'term reset that forgets a promotion beyond the highest term',
    file: 'internal/engine/repair/reset-term.ts',
    text: 'promotedTo: 0, handover',
    replacement: 'handover',
    tests: [RESET],
  },
];
