/** Bugs by which a change of master could lose a write, or leave two masters, or none. */
import type { Mutant } from './mutants.ts';

const FAILOVER = 'test/node/failover.test.ts';
const PROMOTION = 'test/node/promotion.test.ts';
const HAZARDS = 'test/node/role-hazards.test.ts';

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
    text: '      await keeper.cede({ to, term, tail });',
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'handover not told again after a restart',
    file: 'internal/node/role-keeper.ts',
    text: '    if (this.handover !== undefined) this.#insisting ??= this.#insist();',
    replacement: '',
    tests: [FAILOVER],
  },
  {
    name: 'writes taken where the disk failed at the commit of a handover',
    file: 'internal/node/role-keeper.ts',
    text: "      if (!isOutOfSpace(error) && this.#current?.kind === 'master') this.#current.abandon(term);",
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
    file: 'internal/node/master-role.ts',
    text: '    return promotedTo === term && term > termOf(this.#engine.log.tail.epoch);',
    replacement:
      '    return promotedTo === term && term > termOf(this.#engine.log.tail.epoch) && !this.#host.wasClean && false;',
    tests: [PROMOTION],
  },
  {
    name: 'term claimed and not persisted by who granted it',
    file: 'internal/node/leadership.ts',
    text: `      await host.raiseTerm(request.term);
      if (role?.kind === 'replica')`,
    replacement: "      if (role?.kind === 'replica')",
    tests: [PROMOTION],
  },
  {
    name: 'role committed in a term that is over',
    file: 'internal/node/role-keeper.ts',
    text: '      if (manifest.term > seenMax)',
    replacement: '      if (manifest.term > seenMax + 99)',
    tests: [HAZARDS],
  },
  {
    name: 'old term begun by a master that granted a higher one while its disk was full',
    file: 'internal/node/leadership.ts',
    text: "      else if (role?.kind === 'master') role.fence(request.term);",
    replacement: '',
    tests: [HAZARDS],
  },
  {
    name: 'pushes in the old term by a new master whose disk is full',
    file: 'internal/node/master-role.ts',
    text: '    return this.#isPromoted ? this.#host.manifest.term : termOf(this.#engine.log.tail.epoch);',
    replacement: '    return termOf(this.#engine.log.tail.epoch);',
    tests: [HAZARDS],
  },
  {
    name: 'digests of a history that was set aside, compared by a delayed replica',
    file: 'internal/slave/follower.ts',
    text: '    else this.#check.cut();',
    replacement: '',
    tests: [HAZARDS],
  },
];
