/** Bugs by which a member of a cluster could count twice, lead beside another, or lose what a majority has. */
import type { Mutant } from './mutant.ts';

const CALLS = 'test/node/member/member-calls.test.ts';
const LEASE = 'test/node/member/member-lease.test.ts';
const MEMBERS = 'test/node/member/members.test.ts';
const QUORUM = 'test/replication/quorum-ledger.test.ts';
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
  {
    name: 'deposed master refuses writes as wrong, so that no other node is asked',
    file: 'internal/node/write-gate.ts',
    text: "throw new WalnutError('not_master',",
    replacement: "throw new WalnutError('failed_precondition',",
    tests: ['test/node/restart-hazards.test.ts'],
  },
  {
    name: 'write taken without a lease',
    file: 'internal/node/write-gate.ts',
    text: '    if (why !== undefined) throw unavailable(noLease(why));\n',
    replacement: '',
    tests: [MEMBERS],
  },
  {
    name: 'first write while the master before may still have its lease',
    file: 'internal/node/member/member-lease.ts',
    text: 'options.waits ? monotonicMs + FIRST_WRITE_WAIT_MS : monotonicMs',
    replacement: 'options.waits ? monotonicMs : monotonicMs',
    tests: [LEASE],
  },
  {
    name: 'lease by a wiped disk under a listed name',
    file: 'internal/node/member/member-lease.ts',
    text: 'one.node === node && one.incarnation === incarnation',
    replacement: 'one.node === node && incarnation > 0',
    tests: [LEASE],
  },
  {
    name: 'QUORUM by a wiped disk under a listed name',
    file: 'internal/replication/quorum-ledger.ts',
    text: 'return said?.incarnation === incarnation ? said.lsn : NO_LSN;',
    replacement: 'return incarnation > 0 && said !== undefined ? said.lsn : NO_LSN;',
    tests: [QUORUM],
  },
  {
    name: 'QUORUM by copies of an older term',
    file: 'internal/replication/quorum-ledger.ts',
    text: 'return lsn >= epochLsn ? lsn : NO_LSN;',
    replacement: 'return lsn;',
    tests: [QUORUM],
  },
  {
    name: 'QUORUM without the disk of the master',
    file: 'internal/replication/quorum-ledger.ts',
    text: 'Math.min(majority, ownLsn)',
    replacement: 'Math.max(majority, 0 * ownLsn)',
    tests: [QUORUM],
  },
  {
    name: 'records pulled from a master whose term is over',
    file: 'internal/slave/puller.ts',
    text: 'knownTerm() > term ?',
    replacement: 'knownTerm() > term + 1 ?',
    tests: ['test/slave/puller.test.ts'],
  },
  {
    name: 'member that an operator promotes beside the coordinator',
    file: 'internal/node/leadership.ts',
    text: "    this.#checkPlain('be promoted');\n",
    replacement: '',
    tests: [MEMBERS],
  },
  {
    name: 'suspended machine that the clocks do not show',
    file: 'internal/platform/machine-clocks.ts',
    text: '      Math.abs(wallMs - read.wallMs) < UPTIME_STEP_MS;',
    replacement: '      Math.abs(wallMs - read.wallMs) < Number.POSITIVE_INFINITY;',
    tests: ['test/platform/machine-clocks.test.ts'],
  },
  {
    name: 'linearizable read of what has not reached QUORUM',
    file: 'internal/node/doors/linear-reads.ts',
    text: '    if (quorum.lsn < lsn)\n',
    replacement: '    if (quorum.lsn + lsn < 0)\n',
    tests: ['test/node/member/random-faults.test.ts'],
  },
  {
    name: 'wiped disk that counts before it has everything',
    file: 'internal/node/member/newcomers.ts',
    text: 'newcomer.durableLsn < newcomer.neededLsn',
    replacement: 'newcomer.durableLsn < 0 * newcomer.neededLsn',
    tests: ['test/node/member/newcomers.test.ts'],
  },
  {
    name: 'second node of a name that takes the place of one that works',
    file: 'internal/node/member/newcomers.ts',
    text: '      this.#listed.set(node, this.#clock.monotonicMs());\n',
    replacement: '',
    tests: ['test/node/member/newcomers.test.ts'],
  },
  {
    name: 'coordinator that does not follow the member list in the log',
    file: 'internal/coordinator/next-step.ts',
    text: "  if (voters !== undefined) return { kind: 'relist', voters };\n",
    replacement: '',
    tests: [MEMBERS],
  },
  {
    name: 'member fenced by another master of its term',
    file: 'internal/node/announcement.ts',
    text: "role.isTakingWrites && (manifest.member?.group ?? '') !== ''",
    replacement: "role.isTakingWrites && manifest.member?.group === ''",
    tests: ['test/node/member/member-calls.test.ts'],
  },
  {
    name: 'claim granted by a master that goes on',
    file: 'internal/node/member/grant-term.ts',
    text: '    current.fence(term);\n',
    replacement: '',
    tests: [CALLS],
  },
  {
    name: 'granted term that a restart forgets',
    file: 'internal/node/member/grant-term.ts',
    text: '  await host.raiseTerm(term);\n',
    replacement: '',
    tests: [CALLS],
  },
  {
    name: 'master of a term that is over at its start',
    file: 'internal/node/role-commits.ts',
    text: "if (role !== 'master' || term <= promotedTo || ",
    replacement: "if (role !== 'master' || term > 0 || promotedTo > 0 || ",
    tests: [CALLS],
  },
  {
    name: 'leader with another tail than it claimed',
    file: 'internal/node/member/lead-term.ts',
    text: 'lsn === request.tail.lsn && epoch === request.tail.epoch',
    replacement: 'lsn >= request.tail.lsn && epoch === request.tail.epoch',
    tests: [CALLS],
  },
  {
    name: 'leader with another incarnation than it claimed',
    file: 'internal/node/member/lead-term.ts',
    text: 'manifest.incarnation !== request.incarnation',
    replacement: 'manifest.incarnation === undefined',
    tests: [CALLS],
  },
  {
    name: 'node of a plain group that follows the master of a cluster',
    file: 'internal/node/master-role.ts',
    text: '      checkListed(request.memberNode, this.#engine.store.members.current);\n',
    replacement: '      void request;\n',
    tests: [MEMBERS],
  },
  {
    name: 'map epoch that a restart forgets',
    file: 'internal/node/member/whom.ts',
    text: 'Math.max(mapEpoch, member.mapEpoch ?? 0)',
    replacement: '0 * Math.max(mapEpoch, member.mapEpoch ?? 0)',
    tests: [CALLS],
  },
  {
    name: 'claim of a term that is led granted as a repeat',
    file: 'internal/node/member/grant-term.ts',
    text: 'if (isLed(keeper, term)) return',
    replacement: 'if (isLed(keeper, term) && term < 0) return',
    tests: [CALLS],
  },
];
