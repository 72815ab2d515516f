/** Bugs by which a coordinator could make two masters, lose a write, or depose a master that is fine. */
import type { Mutant } from './mutant.ts';

const LEASE = 'test/cluster/lease.test.ts';
const JUDGE = 'test/cluster/judge-master.test.ts';
const CHOOSE = 'test/cluster/choose-leader.test.ts';

export const CLUSTER_MUTANTS: readonly Mutant[] = [
  {
    name: 'lease that outlives a pause of the machine',
    file: 'internal/cluster/lease.ts',
    text: '      this.#pauses += 1;',
    replacement: '      this.#pauses += 0;',
    tests: [LEASE],
  },
  {
    name: 'pause hidden by a wall clock that was set back',
    file: 'internal/cluster/lease.ts',
    text: ' || uptimeMs - uptimeLeastMs > PAUSE_MS',
    replacement: '',
    tests: [LEASE],
  },
  {
    name: 'lease by one voter too few',
    file: 'internal/cluster/lease.ts',
    text: 'newestFirst[this.#acksNeeded - 1]',
    replacement: 'newestFirst[Math.max(0, this.#acksNeeded - 2)]',
    tests: [LEASE],
  },
  {
    name: 'master deposed although its voters ack it',
    file: 'internal/cluster/judge-master.ts',
    text: '  if (acking.length >= majorityOf(group.voters.length) - 1)',
    replacement: '  if (acking.length >= majorityOf(group.voters.length))',
    tests: [JUDGE],
  },
  {
    name: 'master deposed by a coordinator that hears nobody',
    file: 'internal/cluster/judge-master.ts',
    text: '  if (others.length === 0)',
    replacement: '  if (others.length < 0)',
    tests: [JUDGE],
  },
  {
    name: 'new leader deposed while it waits for its first write',
    file: 'internal/cluster/judge-master.ts',
    text: '  if (nowMs - leaderSinceMs < FIRST_WRITE_WAIT_MS + NO_WRITES_MS)',
    replacement: '  if (nowMs - leaderSinceMs < 0)',
    tests: [JUDGE],
  },
  {
    name: 'grant of a wiped disk counted under its old name',
    file: 'internal/cluster/choose-leader.ts',
    text: 'node === grant.node && incarnation === grant.incarnation',
    replacement: 'node === grant.node && incarnation <= grant.incarnation',
    tests: [CHOOSE],
  },
  {
    name: 'more records of a lower term preferred',
    file: 'internal/model/position.ts',
    text: '  return termA === termB ? a.lsn > b.lsn : termA > termB;',
    replacement: '  return a.lsn > b.lsn;',
    tests: [CHOOSE],
  },
];
