/** Bugs by which a plan costs a master, a term is given twice, a recovery loses writes, or a node heeds a foreign cluster. */
import type { Mutant } from './mutant.ts';

const PLANNED = 'test/coordinator/planned-failover.test.ts';
const PLAN = 'test/cluster/plan-recovery.test.ts';
const RECOVERY = 'test/coordinator/recovery.test.ts';
const MEMBERS = 'test/node/member/members.test.ts';
const AGENT = 'test/node/member/member-agent.test.ts';
const ADOPT = 'test/node/member/adopt.test.ts';
const LEVEL = 'test/node/member/default-level.test.ts';
const LOGIN = 'test/metadata/etcd-login.test.ts';

export const RECOVERY_MUTANTS: readonly Mutant[] = [
  {
    name: 'linearizable read that waits without an fdatasync',
    file: 'internal/node/doors/linear-reads.ts',
    text: 'await awaitReceipt(engine, role.acks, this.#clock, wanted, lsn, signal);',
    replacement: 'await role.acks.waitQuorum(lsn, wanted.timeoutMs, signal);',
    tests: [MEMBERS],
  },
  {
    name: 'QUORUM of one voter that nobody is told of',
    file: 'internal/node/master-parts.ts',
    text: 'engine.durable.subscribe(() => quorum.advance());',
    replacement: 'engine.durable.subscribe(() => undefined);',
    tests: [MEMBERS],
  },
  {
    name: 'master that recovered in place without a beginning of its epoch',
    file: 'internal/node/master-epoch.ts',
    text: '      this.#beganLsn ??= engine.epochStarts().at(-1)?.firstLsn;\n',
    replacement: '',
    tests: [MEMBERS],
  },
  {
    name: 'healthy master deposed because it refused to hand over',
    file: 'internal/coordinator/group-keeper.ts',
    text: 'return leadsOn ? this.#withdraw(context, why) : this.#question(context, why);',
    replacement:
      'return leadsOn && group.term < 0 ? this.#withdraw(context, why) : this.#question(context, why);',
    tests: [PLANNED],
  },
  {
    name: 'term of a withdrawn plan given again',
    file: 'internal/cluster/group-terms.ts',
    text: 'Math.max(term, next?.term ?? 0, withdrawn)',
    replacement: 'Math.max(term, next?.term ?? 0, 0 * withdrawn)',
    tests: [PLANNED],
  },
  {
    name: 'more plans in one term than members believe terms',
    file: 'internal/cluster/group-terms.ts',
    text: 'withdrawn - term < WITHDRAWN_MAX',
    replacement: 'withdrawn - term < 1_000 * WITHDRAWN_MAX',
    tests: [PLANNED],
  },
  {
    name: 'master deposed after ten seconds of a plan in vain',
    file: 'internal/coordinator/next-step.ts',
    text: "return takesWrites(view) ? { kind: 'withdraw', why }",
    replacement: "return takesWrites(view) && why === '' ? { kind: 'withdraw', why }",
    tests: ['test/coordinator/next-step.test.ts'],
  },
  {
    name: 'node of another cluster that is heard',
    file: 'internal/coordinator/roll.ts',
    text: "if (clusterName !== '' && clusterName !== this.#cluster)",
    replacement: "if (clusterName === '' && clusterName !== this.#cluster && node === '')",
    tests: ['test/coordinator/coordinator.test.ts'],
  },
  {
    name: 'place taken in a cluster of another name',
    file: 'internal/node/member/member-agent.ts',
    text: "if (answer.clusterName !== '' && answer.clusterName !== clusterName)",
    replacement: "if (answer.clusterName === '' && answer.clusterName !== clusterName)",
    tests: [AGENT],
  },
  {
    name: 'warning for each change between two coordinators',
    file: 'internal/node/member/member-agent.ts',
    text: 'if (this.#problems.get(address) !== why)',
    replacement: 'if ([...this.#problems.values()].at(-1) !== why)',
    tests: [AGENT],
  },
  {
    name: 'token of etcd that is over kept',
    file: 'internal/metadata/etcd/etcd-login.ts',
    text: 'return error.code === Code.Unauthenticated || isOld;',
    replacement: 'return isOld;',
    tests: [LOGIN],
  },
  {
    name: 'login of a user that was refused repeated with each call',
    file: 'internal/metadata/etcd/etcd-login.ts',
    text: 'refused !== undefined && this.#monotonicMs() - refused.atMs < AGAIN_MS',
    replacement: 'refused !== undefined && this.#monotonicMs() - refused.atMs < 0 * AGAIN_MS',
    tests: [LOGIN],
  },
  {
    name: 'recovered term that a member granted before',
    file: 'internal/cluster/plan-recovery.ts',
    text: '.map((member) => member.term).filter(isBelieved)) + TERMS_ABOVE',
    replacement: '.map((member) => member.term).filter(() => !isBelieved(0))) + TERMS_ABOVE',
    tests: [PLAN],
  },
  {
    name: 'recovered epoch that a silent node may be ahead of',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'isOld ? nextGeneration(map, own) : map.epoch + 1',
    replacement: 'isOld && map.epoch < 0 ? nextGeneration(map, own) : map.epoch + 1',
    tests: [RECOVERY],
  },
  {
    name: 'recovered member list of a log that is behind',
    file: 'internal/cluster/plan-recovery.ts',
    text: '(isAhead(b.tail, a.tail) ? b : a)',
    replacement: '(isAhead(b.tail, a.tail) ? a : b)',
    tests: [PLAN],
  },
  {
    name: 'recovery by fewer voters than have to grant',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'const needed = grantsNeeded(voters.length);',
    replacement: 'const needed = grantsNeeded(voters.length) - 1;',
    tests: [PLAN],
  },
  {
    name: 'forced failover by the first that grants',
    file: 'internal/cluster/shard-map.ts',
    text: 'return grants?.term === term ? grants.count : grantsNeeded(voters.length);',
    replacement: 'return grants?.term === term ? 1 : grantsNeeded(voters.length);',
    tests: [RECOVERY],
  },
  {
    name: 'few grants in every later term too',
    file: 'internal/cluster/shard-map.ts',
    text: 'return grants?.term === term ? grants.count : grantsNeeded(voters.length);',
    replacement: 'return grants !== undefined ? grants.count : term < 0 ? 0 : grantsNeeded(voters.length);',
    tests: ['test/cluster/shard-map.test.ts'],
  },
  {
    name: 'recovery by a coordinator that has only begun to hear',
    file: 'internal/coordinator/operator-requests.ts',
    text: 'if (clock.monotonicMs() - judgingSinceMs() < SILENCE_MS)',
    replacement: 'if (clock.monotonicMs() - judgingSinceMs() < 0 * SILENCE_MS)',
    tests: [RECOVERY],
  },
  {
    name: 'adopted group led by a replica that is behind',
    file: 'internal/coordinator/adopt-group.ts',
    text: 'grants: { term, count: voters.length },',
    replacement: 'grants: undefined,',
    tests: [ADOPT],
  },
  {
    name: 'adopted group that leaves a replica behind',
    file: 'internal/coordinator/adopt-group.ts',
    text: 'if (left.length === 0) return undefined;',
    replacement: 'if (left.length < 9) return undefined;',
    tests: ['test/coordinator/found-cluster.test.ts'],
  },
  {
    name: 'adopted master that forgets its role at its start',
    file: 'internal/node/role-commits.ts',
    text: "|| member?.group === '') return;",
    replacement: '|| member?.group === undefined) return;',
    tests: [ADOPT],
  },
  {
    name: 'adopted group with a part of the slots',
    file: 'internal/coordinator/found-cluster.ts',
    text: 'adopted === undefined\n        ? divideSlots',
    replacement: 'adopted === undefined || plans.length > 1\n        ? divideSlots',
    tests: ['test/coordinator/found-cluster.test.ts'],
  },
  {
    name: 'default QUORUM passed over by plain Sets',
    file: 'internal/node/node.ts',
    text: 'const bulk = level === undefined ? keyValue : undefined;',
    replacement: "const bulk = level === undefined || level === 'quorum' ? keyValue : undefined;",
    tests: [LEVEL],
  },
  {
    name: 'default QUORUM passed over by a Batch',
    file: 'internal/node/doors/keys-door.ts',
    text: 'const operations = withLevels(given, this.#level);',
    replacement: 'const operations = withLevels(given, undefined);',
    tests: [LEVEL],
  },
  {
    name: 'default QUORUM in a group of two',
    file: 'internal/node/doors/admission.ts',
    text: 'voters.length < votersMin)',
    replacement: 'voters.length < 0 * votersMin)',
    tests: [LEVEL],
  },
  {
    name: 'recovery to an epoch that cannot be read again',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'Number.isSafeInteger(epoch) ? []',
    replacement: 'epoch > 0 ? []',
    tests: [PLAN],
  },
  {
    name: 'DeletePrefix that passes over the QUORUM it asks for',
    file: 'internal/node/doors/keys-door.ts',
    text: 'this.#checkLevel(command.durability);\n    const master = this.#admission.writer();',
    replacement: 'const master = this.#admission.writer();',
    tests: ['test/node/refusals.test.ts'],
  },
  {
    name: 'heartbeat whose reasons are longer than it may be',
    file: 'internal/wire/heartbeat-codec.ts',
    text: '    reasons: reasons.slice(0, LISTED_MAX).map(cutReason),',
    replacement: '    reasons: [...reasons],',
    tests: ['test/server/heartbeat-limits.test.ts'],
  },
  {
    name: 'recovery of a group without voters',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'if (voters.length === 0) return [noVoters(id)];\n  const needed',
    replacement: 'if (voters.length < 0) return [noVoters(id)];\n  const needed',
    tests: [PLAN],
  },
  {
    name: 'writes given up by force where an ordinary failover loses none',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'if (heard.length < needed) return [];',
    replacement: 'if (heard.length < voters.length) return [];',
    tests: [PLAN],
  },
  {
    name: 'no grant needed where there are no voters',
    file: 'internal/cluster/shard-map.ts',
    text: 'return Math.max(1, voters - majorityOf(voters) + 1);',
    replacement: 'return Math.max(0, voters - majorityOf(voters) + 1);',
    tests: ['test/cluster/choose-leader.test.ts'],
  },
];
