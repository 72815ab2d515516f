/** Bugs by which a term that cannot be is believed, or an operator finds no way out. */
import type { Mutant } from './mutant.ts';

const BELIEVED = 'test/node/believed-terms.test.ts';
const WAYS_OUT = 'test/node/ways-out.test.ts';
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
    file: 'internal/backup/repair/reset-term.ts',
    text: 'promotedTo: 0, handover',
    replacement: 'handover',
    tests: [RESET],
  },
  {
    name: 'announcement believed although the node at its address says otherwise',
    file: 'internal/node/announcement.ts',
    text: '      isLeading(status) &&',
    replacement: '      status.role !== undefined ||',
    tests: [WAYS_OUT],
  },
  {
    name: 'address remembered at which nobody has answered',
    file: 'internal/node/hearsay.ts',
    text: 'if (this.#heard.get(node.nodeId)?.address !== node.address) await list',
    replacement: 'await list',
    tests: [WAYS_OUT],
  },
  {
    name: 'registration from nowhere that keeps a master read only for ever',
    file: 'internal/node/hearsay.ts',
    text: 'if (atMs < oldestMs) this.#heard.delete(nodeId);',
    replacement: 'if (atMs > oldestMs + 1e12) this.#heard.delete(nodeId);',
    tests: [WAYS_OUT],
  },
  {
    name: 'node without the log that has a vote',
    file: 'internal/node/leadership.ts',
    text: "      if (manifest.logId === '' || request.logId",
    replacement: '      if (request.logId',
    tests: [WAYS_OUT],
  },
  {
    name: 'quarantined replica promoted while its master takes writes',
    file: 'internal/node/leadership.ts',
    text: 'master === undefined || !isLeading(master)) return undefined;',
    replacement: 'master !== undefined || !isLeading(master)) return undefined;',
    tests: [WAYS_OUT],
  },
  {
    name: 'quarantine that gives up what a new master lacks',
    file: 'internal/slave/follower.ts',
    text: '    if (this.#isQuarantined()) return true;\n',
    replacement: '',
    tests: [WAYS_OUT],
  },
  {
    name: 'master with data that joins another group',
    file: 'internal/node/role-keeper.ts',
    text: 'return engine.store.entries === 0 &&',
    replacement: 'return engine.store.entries >= 0 ||',
    tests: [WAYS_OUT],
  },
  {
    name: 'advice that names a node which holds less',
    file: 'internal/node/advice.ts',
    text: 'if (other.end.lsn > 0 && (best === undefined || isBefore(other, best)))',
    replacement: 'if (other.end.lsn > 0 && best === undefined)',
    tests: [WAYS_OUT],
  },
  {
    name: 'advice of a quarantined replica to promote the master that it should stop',
    file: 'internal/node/advice.ts',
    text: 'return one.status.nodeId === master.status.nodeId || isFollowing(one, master);',
    replacement: 'return isFollowing(one, master);',
    tests: [WAYS_OUT],
  },
  {
    name: 'advice of a quarantined replica to promote a follower of the wrong master',
    file: 'internal/node/advice.ts',
    text: 'return one.status.nodeId === master.status.nodeId || isFollowing(one, master);',
    replacement: 'return one.status.nodeId === master.status.nodeId;',
    tests: [WAYS_OUT],
  },
  {
    name: 'group of the data here forgotten for that of a wrong master',
    file: 'internal/slave/upstream.ts',
    text: "answer.verdict.kind !== 'conflict';",
    replacement: "answer.verdict.kind !== 'conflict' || answer.term > 0;",
    tests: [WAYS_OUT],
  },
  {
    name: 'master that goes on beside another of its own term which it did not know',
    file: 'internal/node/announcement.ts',
    text: "role.isTakingWrites ? 'equal' : 'fenced'",
    replacement: "role.isTakingWrites ? 'fenced' : 'fenced'",
    tests: [WAYS_OUT],
  },
  {
    name: 'failover in a term that the node chose, whatever is issued',
    file: 'internal/node/handover.ts',
    text: 'await (keeper.options.terms ?? OWN_TERMS).next(keeper.host.manifest.term)',
    replacement: 'await OWN_TERMS.next(keeper.host.manifest.term)',
    tests: ['test/node/term-source.test.ts'],
  },
];
