/** Bugs of the operations beyond Get, Set and Delete. */
import type { Mutant } from './mutant.ts';

const ATOMIC = 'test/master/atomic-batch.test.ts';
const BYTES = 'test/node/byte-batches.test.ts';
const POLICIES = 'test/master/eviction-policies.test.ts';
const INCREMENT = 'test/master/increment.test.ts';

export const API_MUTANTS: readonly Mutant[] = [
  {
    name: 'increment judged by what is visible instead of what is accepted',
    file: 'internal/master/operations/increment.ts',
    text: 'const { live, stored, record } = into.look(key);',
    replacement: 'const { stored, record } = into.look(key); const live = path.engine.store.peek(key);',
    tests: [INCREMENT],
  },
  {
    name: 'increment that gives an entry that is there a new deadline',
    file: 'internal/master/operations/increment.ts',
    text: 'live?.expireAtMs ?? path.deadlines',
    replacement: 'path.deadlines',
    tests: [INCREMENT],
  },
  {
    name: 'number with a leading zero taken for one',
    file: 'internal/model/counter.ts',
    text: '|-?[1-9][0-9]{0,18})$/;',
    replacement: '|-?[0-9]{1,19})$/;',
    tests: [INCREMENT],
  },
  {
    name: 'sum beyond 64 bits stored',
    file: 'internal/model/counter.ts',
    text: '  if (isCounter(sum)) return sum;',
    replacement: '  if (isCounter(sum) || isCounter(number)) return sum;',
    tests: [INCREMENT],
  },
  {
    name: 'delta read without its sign',
    file: 'internal/wire/kv-reader.ts',
    text: 'zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;',
    replacement: 'Math.floor(zigzag / 2);',
    tests: ['test/server/kv-bytes.test.ts'],
  },
  {
    name: 'atomic batch that writes what it can',
    file: 'internal/master/operations/atomic-batch.ts',
    text: '  if (isCommitted) plan.commit();',
    replacement: '  plan.commit();',
    tests: [ATOMIC],
  },
  {
    name: 'atomic batch whose operations do not see each other',
    file: 'internal/master/operations/atomic-plan.ts',
    text: '    const planned = this.#newest.get(key);',
    replacement: "    const planned = this.#newest.get('');",
    tests: [ATOMIC],
  },
  {
    name: 'atomic batch that evicts its own keys',
    file: 'internal/master/record-builder.ts',
    text: '(key) => changes.has(key)',
    replacement: "(key) => key === '' && changes.has(key)",
    tests: [ATOMIC],
  },
  {
    name: 'atomic batch answered before the state that it read is visible',
    file: 'internal/master/operations/atomic-batch.ts',
    text: '!plan.isEmpty ? builder.record : newest;',
    replacement: '!plan.isEmpty ? builder.record : newest && undefined;',
    tests: [ATOMIC],
  },
  {
    name: 'atomic batch of Gets that are read one after the other',
    file: 'internal/node/doors/atomic-reads.ts',
    text: '  return { results: gets.map(read), position: reader.moment().asOf };',
    replacement: '  return { results: gets.map(read), position: { epoch: 0, lsn: 0 as never } };',
    tests: ['test/node/atomic-batch.test.ts'],
  },
  {
    name: 'DeletePrefix that deletes all of it in one turn',
    file: 'internal/master/operations/delete-prefix.ts',
    text: '        limit: Math.min(ENTRIES_PER_TURN, limit - done.deleted),',
    replacement: '        limit: limit - done.deleted + 0 * ENTRIES_PER_TURN,',
    tests: ['test/master/delete-prefix.test.ts'],
  },
  {
    name: 'DeletePrefix that counts deletes of others',
    file: 'internal/master/operations/delete-prefix.ts',
    text: '    if (path.accepted.lookup(key).entry === undefined) continue;',
    replacement: '    if (path.accepted.lookup(key) === undefined) continue;',
    tests: ['test/master/delete-prefix.test.ts'],
  },
  {
    name: 'DeletePrefix that goes on where the node may not write',
    file: 'internal/master/operations/delete-prefix.ts',
    text: '    if (!mayGoOn()) break;',
    replacement: '    mayGoOn();',
    tests: ['test/master/delete-prefix.test.ts'],
  },
  {
    name: 'Get of a mixed batch that does not see its own writes',
    file: 'internal/master/operations/mixed-batch.ts',
    text: '    if (!this.#isWritten || builder',
    replacement: '    if (pair.index >= 0 || builder',
    tests: [BYTES],
  },
  {
    name: 'delete of a mixed batch that takes what has expired for an entry',
    file: 'internal/master/record-builder.ts',
    text: '    if (deadline === MISSING || isExpired(deadline, this.nowMs)) return false;',
    replacement: '    if (deadline === MISSING) return false;',
    tests: [BYTES],
  },
  {
    name: 'atomic sets from bytes made without asking whether all fit',
    file: 'internal/master/operations/plain-sets.ts',
    text: '    if (sets.isAtomic === true && !surelyFit(sets, builder)) return undefined;\n',
    replacement: '    surelyFit(sets, builder);\n',
    tests: [BYTES],
  },
  {
    name: 'mixed batch that answers nothing of a refused record',
    file: 'internal/master/operations/mixed-batch.ts',
    text: 'for (const index of this.#ofRecord) others.set(index, error);',
    replacement: 'for (const index of this.#ofRecord.slice(1)) others.set(index, error);',
    tests: [BYTES],
  },
  {
    name: 'write that evicts its own key, which expires first',
    file: 'internal/master/room.ts',
    text: '(isSpared(victim.key) || record !== undefined)',
    replacement: 'record !== undefined',
    tests: [POLICIES],
  },
  {
    name: 'entry without a deadline evicted in spite of the scope',
    file: 'internal/storage/victims.ts',
    text: 'slot === NO_SLOT || slots.expireAtMsOf(slot) !== NEVER',
    replacement: 'slot === NO_SLOT || slots.expireAtMsOf(slot) >= NEVER',
    tests: ['test/storage/victims.test.ts', POLICIES],
  },
  {
    name: 'entry in flight without a deadline evicted in spite of the scope',
    file: 'internal/master/room.ts',
    text: "    return store.limits.scope !== 'with_ttl' ||",
    replacement: "    return store.limits.policy !== 'none' ||",
    tests: [POLICIES],
  },
  {
    name: 'victim by deadline that is given back and never found again',
    file: 'internal/storage/store.ts',
    text: '    this.#expiry.putBack(slot);\n',
    replacement: '',
    tests: ['test/storage/victims.test.ts'],
  },
  {
    name: 'policy of format level 1 logged for replicas that do not read it',
    file: 'internal/node/master-epoch.ts',
    text: "error.code !== 'failed_precondition') throw error;\n      const { policy",
    replacement: "error.code === 'failed_precondition') throw error;\n      const { policy",
    tests: ['test/node/format-levels.test.ts'],
  },
];
