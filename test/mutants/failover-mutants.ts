/** Bugs by which a change of master could lose a write, or leave two masters, or none. */
import type { Mutant } from './mutant.ts';

const FAILOVER = 'test/node/failover.test.ts';
const PROMOTION = 'test/node/promotion.test.ts';
const HAZARDS = 'test/node/role-hazards.test.ts';
const UNLED = 'test/node/unled-term.test.ts';
const CLAIM = 'test/node/claim-and-pushes.test.ts';
const ACKS = 'test/node/forgotten-acks.test.ts';
const HINT = 'test/node/leader-hint.test.ts';

export const FAILOVER_MUTANTS: readonly Mutant[] = [
  {
    name: 'failover that does not stop writes',
    file: 'internal/node/handover.ts',
    text: '    role.pauseWrites(to);',
    replacement: '    role.resumeWrites();',
    tests: [FAILOVER],
  },
  {
    name: 'failover aborted without taking writes again',
    file: 'internal/node/handover.ts',
    text: '      role.resumeWrites();',
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'failover that does not commit before the replica leads',
    file: 'internal/node/handover.ts',
    text: '      await keeper.cede({ to, nodeId, term, tail });',
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'handover not told again after a restart',
    file: 'internal/node/role-keeper.ts',
    text: '    this.#insistence.start();',
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'writes taken where the disk failed at the commit of a handover',
    file: 'internal/node/role-keeper.ts',
    text: "      if (!isShortage(error) && this.#current?.kind === 'master') this.#current.abandon(term);",
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'promotion that passes over a sibling that holds more',
    file: 'internal/node/promotion.ts',
    text: '  if (best === undefined || !isAhead(endOfLog(best), candidate.tail)) return undefined;',
    replacement: '  if (best !== undefined || !isAhead(candidate.tail, candidate.tail)) return undefined;',
    tests: [PROMOTION],
  },
  {
    name: 'promotion cut short that is not finished by the next start',
    file: 'internal/node/master-epoch.ts',
    text: '    return promotedTo === term && term > termOf(engine.log.tail.epoch);',
    replacement: '    return promotedTo === term && term > termOf(engine.log.tail.epoch) && term < 0;',
    tests: [PROMOTION],
  },
  {
    name: 'term claimed and not persisted by who granted it',
    file: 'internal/node/grant-claim.ts',
    text: `    await host.raiseTerm(request.term);
    if (role?.kind === 'replica')`,
    replacement: "    if (role?.kind === 'replica')",
    tests: [PROMOTION],
  },
  {
    name: 'role committed in a term that is over',
    file: 'internal/node/role-commits.ts',
    text: '    if (manifest.term > seenMax)',
    replacement: '    if (manifest.term > seenMax + 99)',
    tests: [HAZARDS],
  },
  {
    name: 'old term begun by a master that granted a higher one while its disk was full',
    file: 'internal/node/grant-claim.ts',
    text: "    else if (role?.kind === 'master') role.fence(request.term);",
    replacement: '',
    tests: [HAZARDS],
  },
  {
    name: 'old term begun although a higher one was granted while the master waited for space',
    file: 'internal/node/master-role.ts',
    text: '        if (lacksEpoch()) await this.#epoch.begin();',
    replacement: '        if (!this.#epoch.hasBegun) await this.#epoch.begin();',
    tests: [HAZARDS],
  },
  {
    name: 'pushes in the old term by a new master whose disk is full',
    file: 'internal/node/master-epoch.ts',
    text: '    return this.isPromoted ? host.manifest.term : termOf(engine.log.tail.epoch);',
    replacement: '    return termOf(engine.log.tail.epoch);',
    tests: [HAZARDS],
  },
  {
    name: 'digests of a history that was set aside, compared by a delayed replica',
    file: 'internal/slave/catch-up.ts',
    text: '    else check.cut();',
    replacement: '',
    tests: [HAZARDS],
  },
  {
    name: 'higher term not heard of in a registration',
    file: 'internal/replication/replica-registry.ts',
    text: 'Math.max(request.term, termOf(request.tail.epoch))',
    replacement: 'termOf(request.tail.epoch)',
    tests: [UNLED],
  },
  {
    name: 'leads again although a node does not answer',
    file: 'internal/node/comeback.ts',
    text: '    if (answer === undefined) return',
    replacement: '    if (answer === undefined) continue;\n    if (others.length === 0) return',
    tests: [UNLED],
  },
  {
    name: 'leads again although a claim was not answered',
    file: 'internal/node/comeback.ts',
    text: 'claimed.find(({ answer }) => answer === undefined);',
    replacement: 'claimed.find(({ answer }) => answer === undefined && claimed.length === 0);',
    tests: [UNLED],
  },
  {
    name: 'leads again although another holds a record that is not here',
    file: 'internal/node/comeback.ts',
    text: '    if (isBeyond || !holds(status.position))',
    replacement: '    if (isBeyond && !holds(status.position))',
    tests: [UNLED],
  },
  {
    name: 'leads again although the log of one that grants ends elsewhere',
    file: 'internal/node/comeback.ts',
    text: 'answer !== undefined && !holds(answer.tail)',
    replacement: 'answer !== undefined && !holds(answer.tail) && claimed.length === 0',
    tests: [UNLED],
  },
  {
    name: 'leads again although another pushes to it by now',
    file: 'internal/node/comeback.ts',
    text: ' || !role.mayLeadAgain) return;',
    replacement: ') return;',
    tests: [UNLED],
  },
  {
    name: 'forgets where a node is that registered with a higher term',
    file: 'internal/replication/replica-registry.ts',
    text: `      await this.#remember(node);
    }`,
    replacement: '    }',
    tests: [UNLED],
  },
  {
    name: 'leads again where it may have handed over without knowing it',
    file: 'internal/node/master-role.ts',
    text: `  abandon(term: number): void {
    this.#fence.resign();`,
    replacement: '  abandon(term: number): void {',
    tests: [FAILOVER],
  },
  {
    name: 'term claimed for a promotion, and not from the old master that is about to lead again',
    file: 'internal/node/leadership.ts',
    text: '      (address) => siblings.includes(address) || asked.some((one) => one.address === address),',
    replacement: '      (address) => siblings.includes(address),',
    tests: [UNLED],
  },
  {
    name: 'push taken that waited while a higher term was granted',
    file: 'internal/slave/push-intake.ts',
    text: "      request.term < host.manifest.term ? { kind: 'fenced', term: host.manifest.term } : undefined,",
    replacement: '      undefined,',
    tests: [CLAIM],
  },
  {
    name: 'claim answered before the pushes in flight are in the log',
    file: 'internal/node/grant-claim.ts',
    text: "    if (role?.kind === 'replica') await role.settled();",
    replacement: "    if (role?.kind === 'replica') void role.settled();",
    tests: [CLAIM],
  },
  {
    name: 'acks counted of a replica whose history is another one, or is replaced',
    file: 'internal/replication/replica-registry.ts',
    text: "    if (verdict.kind !== 'continue') this.#options.acks.forget(request.nodeId);",
    replacement:
      "    if (verdict.kind !== 'continue') this.#options.acks.endsAt(request.nodeId, request.tail.lsn);",
    tests: [ACKS],
  },
  {
    name: 'leader hint followed to a node of another log',
    file: 'internal/slave/upstream.ts',
    text: 'logId === manifest.logId && term >= manifest.term',
    replacement: 'term >= manifest.term',
    tests: [HINT],
  },
  {
    name: 'leader hint followed to a node of a lower term',
    file: 'internal/slave/upstream.ts',
    text: 'logId === manifest.logId && term >= manifest.term',
    replacement: 'logId === manifest.logId',
    tests: [HINT],
  },
  {
    name: 'handover told again by a node that an operator sent to a third',
    file: 'internal/node/open-host.ts',
    text: '?.to === upstream ? handover : undefined;',
    replacement: '?.to === upstream ? undefined : handover;',
    tests: ['test/node/forced-roles.test.ts'],
  },
];
