/** Bugs by which a member of a cluster could count twice, lead beside another, or lose what a majority has. */
import type { Mutant } from './mutant.ts';

const PLACE = 'test/node/member-place.test.ts';
const EVERY = 'test/backup/every-record.test.ts';
const REPAIR = 'test/backup/repair-crash.test.ts';

export const MEMBER_MUTANTS: readonly Mutant[] = [
  {
    name: 'discarded data that keeps its incarnation',
    file: 'internal/engine/engine-host.ts',
    text: '      incarnation: newIncarnation(this.options.random),\n',
    replacement: '',
    tests: [PLACE],
  },
  {
    name: 'repair that keeps the incarnation',
    file: 'internal/backup/repair/repair-directory.ts',
    text: '{ incarnation, ...(plan.dropsSnapshot',
    replacement: '{ ...(plan.dropsSnapshot',
    tests: [REPAIR],
  },
  {
    name: 'plain node on the directory of a member',
    file: 'internal/node/member-place.ts',
    text: '  if (why !== undefined) throw',
    replacement: '  if (why !== undefined && name !== undefined) throw',
    tests: [PLACE],
  },
  {
    name: 'member list that a snapshot forgets',
    file: 'internal/engine/checkpoint.ts',
    text: '      members: engine.store.members.current,\n',
    replacement: '',
    tests: [EVERY],
  },
];
