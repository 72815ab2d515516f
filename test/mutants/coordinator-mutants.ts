/** Bugs of the store and of the coordinator by which two could act, or a change be lost or done twice. */
import type { Mutant } from './mutant.ts';

const CONTRACT = 'test/metadata/contract.test.ts';
const FILE = 'test/metadata/file-store.test.ts';
const LOCAL = 'test/metadata/local-store.test.ts';
const ETCD = 'test/metadata/etcd-store.test.ts';
const COORDINATOR = 'test/coordinator/coordinator.test.ts';
const CATALOGUE = 'test/coordinator/catalogue.test.ts';
const CHECK = 'test/coordinator/shared-check.test.ts';
const LEASABLE = 'test/cluster/leasable.test.ts';
const SIMULATION = 'test/coordinator/simulation.test.ts';

export const COORDINATOR_MUTANTS: readonly Mutant[] = [
  {
    name: 'failover above two that lead one term',
    file: 'internal/coordinator/next-step.ts',
    text: "  if (second !== undefined) return { kind: 'alarm', why: twoLead(group, second) };\n",
    replacement: "  if (second === '') return { kind: 'alarm', why: twoLead(group, second) };\n",
    tests: ['test/coordinator/next-step.test.ts'],
  },
  {
    name: 'voter that leaves the master of its term for another of the same term',
    file: 'internal/node/member/member-agent.ts',
    text: '|| !this.#isFirst(term, leader.node)) return;',
    replacement: '|| (!this.#isFirst(term, leader.node) && term < 0)) return;',
    tests: ['test/node/member/member-agent.test.ts'],
  },
  {
    name: 'leader leased while another voter leads its term',
    file: 'internal/cluster/leasable.ts',
    text: 'if (secondLeader(group, known.observations) !== undefined) return false;',
    replacement: 'if (secondLeader(group, known.observations) === "") return false;',
    tests: ['test/cluster/leasable.test.ts'],
  },
  {
    name: 'recovery refused where a term was given twice',
    file: 'internal/cluster/plan-recovery.ts',
    text: "return role === 'master' && term === group.term && node !== group.leader?.node;",
    replacement: "return role === 'master' && term === group.term && node === '';",
    tests: ['test/node/member/recover.test.ts'],
  },
  {
    name: 'node shown as silent that is still heard',
    file: 'internal/wire/coordinator-codec.ts',
    text: 'Math.floor(heard?.agoMs ?? 0)',
    replacement: 'Math.ceil(heard?.agoMs ?? 0)',
    tests: ['test/wire/coordinator-codec.test.ts'],
  },
  {
    name: 'transaction that only compares answered from the state of one member of etcd',
    file: 'internal/metadata/etcd/etcd-messages.ts',
    text: "success: operations.length > 0 ? operations : [{ request: { case: 'requestRange', value: { key } } }],",
    replacement: 'success: key.length < 0 ? [] : operations,',
    tests: [ETCD],
  },
  {
    name: 'leader of a dead process found in the file after a restart',
    file: 'internal/metadata/file/file-store.ts',
    text: 'DELETE FROM entries WHERE leased = 1;',
    replacement: '',
    tests: [FILE],
  },
  {
    name: 'transaction done although one of its conditions is false',
    file: 'internal/metadata/local-store.ts',
    text: 'compare.every((each)',
    replacement: 'compare.some((each)',
    tests: [CONTRACT],
  },
  {
    name: 'changes that a watch missed passed over',
    file: 'internal/metadata/key-space.ts',
    text: '    if (revision + 1 < this.#keptFrom) return undefined;\n',
    replacement: '',
    tests: [LOCAL],
  },
  {
    name: 'store that goes on after a change that it could not keep',
    file: 'internal/metadata/local-store.ts',
    text: '      this.#fail(messageOf(error));\n',
    replacement: '',
    tests: [LOCAL],
  },
  {
    name: 'heartbeat leased by a check that had begun before it arrived',
    file: 'internal/coordinator/shared-check.ts',
    text: '    if (this.#running === undefined) return this.#begin();',
    replacement: '    if (this.#running !== undefined) return this.#running;',
    tests: [CHECK],
  },
  {
    name: 'heartbeat leased by a coordinator that was deposed and does not know',
    file: 'internal/coordinator/coordinator.ts',
    text: '    if (isDone) return recorded;',
    replacement: '    if (isDone || recorded.epochRevision > 0) return recorded;',
    tests: [COORDINATOR],
  },
  {
    name: 'change by a coordinator that was deposed and does not know',
    file: 'internal/coordinator/catalogue.ts',
    text: '      { key: this.leaderKey, createRevision: leaderRevision },\n',
    replacement: '',
    tests: [COORDINATOR, CATALOGUE],
  },
  {
    name: 'change by a map that is old',
    file: 'internal/coordinator/catalogue.ts',
    text: '      { key: this.epochKey, modRevision: epochRevision },\n',
    replacement: '',
    tests: [CATALOGUE],
  },
  {
    name: 'store not read again after a change without an answer',
    file: 'internal/coordinator/catalogue.ts',
    text: `    this.#recorded = undefined;
    const compare`,
    replacement: '    const compare',
    tests: [CATALOGUE],
  },
  {
    name: 'change of more nodes than etcd takes in one transaction',
    file: 'internal/coordinator/catalogue.ts',
    text: 'const early = Math.max(0, nodes.length - room);',
    replacement: 'const early = Math.min(0, nodes.length - room);',
    tests: [CATALOGUE],
  },
  {
    name: 'more groups than a recovery could write',
    file: 'internal/coordinator/found-cluster.ts',
    text: 'if (map.groups.size >= GROUPS_MAX)',
    replacement: 'if (map.groups.size > GROUPS_MAX)',
    tests: ['test/coordinator/found-cluster.test.ts'],
  },
  {
    name: 'coordinator that acts although it could not renew its key',
    file: 'internal/coordinator/election.ts',
    text: 'isWithin(this.#renewed, now, ACTING_MS)',
    replacement: 'isWithin(this.#renewed, now, 100 * ACTING_MS)',
    tests: [COORDINATOR],
  },
  {
    name: 'coordinator that acts on although its key is gone',
    file: 'internal/coordinator/election.ts',
    text: '    return (await store.transact({ compare, writes: [] })).isDone;',
    replacement: '    return (await store.transact({ compare, writes: [] })).revision > 0;',
    tests: [COORDINATOR],
  },
  {
    name: 'master deposed by a coordinator that had stood still',
    file: 'internal/coordinator/coordinator.ts',
    text: '    if (nowMs - this.#lastTickMs > LATE_MS) this.#judgingSinceMs = nowMs;\n',
    replacement: '',
    tests: [COORDINATOR],
  },
  {
    name: 'term given up where too few would grant the next one',
    file: 'internal/coordinator/group-keeper.ts',
    text: '    if (choice === undefined || !this.#hasEnough(group, choice)) return false;\n',
    replacement: '    if (choice === undefined) return false;\n',
    tests: [COORDINATOR],
  },
  {
    name: 'master that its voters do not reach chosen again and again',
    file: 'internal/coordinator/group-keeper.ts',
    text: "        if (step.isByItsOwnWord) this.#deposed = group.leader?.node ?? '';\n",
    replacement: '',
    tests: [COORDINATOR],
  },
  {
    name: 'group led by a store that is older than it',
    file: 'internal/cluster/leasable.ts',
    text: "  if (terms.some((term) => judgeTerm(group, term) === 'ahead')) return false;\n",
    replacement: '',
    tests: [LEASABLE],
  },
  {
    name: 'leader chosen by who answered first',
    file: 'internal/cluster/choose-leader.ts',
    text: '  const best = voters.reduce((a, b) => (isBetter(b, a, isNear) ? b : a));',
    replacement: '  const best = voters.reduce((a, b) => (isBetter(b, a, isNear) ? a : a));',
    tests: ['test/cluster/choose-leader.test.ts'],
  },
  {
    name: 'leader chosen by one grant too few',
    file: 'internal/cluster/shard-map.ts',
    text: 'voters - majorityOf(voters) + 1)',
    replacement: 'voters - majorityOf(voters))',
    tests: [SIMULATION],
  },
  {
    name: 'sick master chosen again because another node drains',
    file: 'internal/cluster/choose-leader.ts',
    text: '[staying, fit, counted].find',
    replacement: '[staying, counted].find',
    tests: ['test/cluster/choose-leader.test.ts'],
  },
  {
    name: 'old leader judged although the planned one leads',
    file: 'internal/coordinator/next-step.ts',
    text: "  if (plan?.kind === 'confirm') return plan;\n",
    replacement: '',
    tests: ['test/coordinator/next-step.test.ts'],
  },
  {
    name: 'nodes not heard while the store is asked',
    file: 'internal/coordinator/coordinator.ts',
    text: '    const map = this.#catalogue.lastMap;',
    replacement: '    const map = this.#catalogue.recorded?.map;',
    tests: [COORDINATOR],
  },
  {
    name: 'leader of an older store told to lead before the members are heard',
    file: 'internal/coordinator/next-step.ts',
    text: "  if (view.nowMs - view.judgingSinceMs < SILENCE_MS) return { kind: 'wait' };\n",
    replacement: '',
    tests: ['test/coordinator/next-step.test.ts'],
  },
  {
    name: 'older store changed after a refusal that states a higher term',
    file: 'internal/coordinator/group-keeper.ts',
    text: '    return isOlder ? undefined : chosen;',
    replacement: '    return isOlder && group.term < 0 ? undefined : chosen;',
    tests: [COORDINATOR],
  },
  {
    name: 'failovers that succeed delay those that follow',
    file: 'internal/coordinator/group-keeper.ts',
    text: 'const SETTLED_MS = 5_000;',
    replacement: 'const SETTLED_MS = 60_000;',
    tests: [COORDINATOR],
  },
  {
    name: 'question that waits as long as a failover',
    file: 'internal/coordinator/group-keeper.ts',
    text: 'new Backoff(500, 2_000)',
    replacement: 'new Backoff(500, 60_000)',
    tests: [COORDINATOR],
  },
  {
    name: 'planned failover to a voter that does not follow the master',
    file: 'internal/cluster/successor.ts',
    text: 'return hasAcked(observation, group.term, nowMs) ? undefined :',
    replacement: 'return hasAcked(observation, group.term, nowMs) || nowMs > 0 ? undefined :',
    tests: ['test/coordinator/planned-failover.test.ts'],
  },
  {
    name: 'address taken from a disk that is not the listed one',
    file: 'internal/coordinator/roll.ts',
    text: 'if (record === undefined || heartbeat?.incarnation !== incarnation) continue;',
    replacement: 'if (record === undefined || heartbeat === undefined || incarnation < 0) continue;',
    tests: [COORDINATOR],
  },
];
