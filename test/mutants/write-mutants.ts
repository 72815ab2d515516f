/** Bugs of the way from accepted writes to the log. */
import type { Mutant } from './mutant.ts';

const ATOMIC = 'test/master/atomic-batch.test.ts';
const PLAIN_SETS = 'test/master/plain-sets.test.ts';
const CONCURRENT = 'test/master/concurrent.test.ts';
const IN_FLIGHT = 'test/master/writes-in-flight.test.ts';
const WRITER = 'test/wal/writer.test.ts';
const PACE = 'test/wal/write-pace.test.ts';

export const WRITE_MUTANTS: readonly Mutant[] = [
  {
    name: 'plain Sets of a refused record answered as written',
    file: 'internal/master/operations/sets-in-flight.ts',
    text: 'error === undefined ? this.#answer() : this.#refuseRest(error)',
    replacement: 'this.#answer()',
    tests: ['test/master/plain-sets.test.ts'],
  },
  {
    name: 'version shown that an uncommitted batch would have written',
    file: 'internal/master/operations/atomic-batch.ts',
    text: '  return { kind: outcome.kind, accepted: { ...outcome.accepted, current } };',
    replacement: '  return current && outcome;',
    tests: [ATOMIC],
  },
  {
    name: 'conditions judged without what is in flight',
    file: 'internal/master/accepted-state.ts',
    text: `  lookup(key: string): AcceptedEntry {
    const row = this.#rowOf(key);`,
    replacement: `  lookup(key: string): AcceptedEntry {
    const row = NO_ROW as number;`,
    tests: [CONCURRENT],
  },
  {
    name: 'capacity judged without what is in flight',
    file: 'internal/master/accepted-state.ts',
    text: '    return row === NO_ROW ? stored : this.#inFlight.costAt(row);',
    replacement: '    return row === NO_ROW ? stored : stored;',
    tests: [PLAIN_SETS, CONCURRENT],
  },
  {
    name: 'hole left where a settled write was found',
    file: 'internal/master/writes-in-flight.ts',
    text: '      if (((cell - home) & mask) < ((cell - gap) & mask)) continue;',
    replacement: '      if (cell !== gap) continue;',
    tests: [IN_FLIGHT],
  },
  {
    name: 'writes in flight told apart by their hashes alone',
    file: 'internal/master/writes-in-flight.ts',
    text: 'this.#hashes[row] === key.hash && this.recordAt(row).hasKeyAt(this.#places[row] as number, key)',
    replacement: 'this.#hashes[row] === key.hash',
    tests: [IN_FLIGHT],
  },
  {
    name: 'key of a set taken for that of the victim before it',
    file: 'internal/master/record-builder.ts',
    text: '    this.#deleteKey = store.createKey();',
    replacement: '    this.#deleteKey = this.#setKey;',
    tests: ['test/master/eviction.test.ts', 'test/master/sequential.test.ts'],
  },
  {
    name: 'plain set with a deadline in the past stored',
    file: 'internal/master/operations/plain-sets.ts',
    text: '    if (hasPast(sets, shiftMs, builder.nowMs)) return undefined;',
    replacement: '',
    tests: [PLAIN_SETS],
  },
  {
    name: 'short write at once taken for a whole one',
    file: 'internal/wal/whole-files.ts',
    text: '  while (written < bytes.length) written += file.writeNow(bytes.subarray(written), position + written);',
    replacement: '  written = bytes.length;',
    tests: [WRITER],
  },
  {
    name: 'slow writes made at once all the same',
    file: 'internal/wal/write-pace.ts',
    text: '    return nowMs >= this.#pausedUntilMs;',
    replacement: '    return nowMs >= 0 || nowMs >= this.#pausedUntilMs;',
    tests: [PACE],
  },
  {
    name: 'one slow write on a busy machine taken for a slow disk',
    file: 'internal/wal/write-pace.ts',
    text: 'if (this.#writesSinceSlow <= WRITES_BETWEEN_SLOW || ',
    replacement: 'if (this.#writesSinceSlow > 0 || ',
    tests: [PACE],
  },
  {
    name: 'disk that is slow again and again never noticed',
    file: 'internal/wal/write-pace.ts',
    text: 'if (this.#writesSinceSlow <= WRITES_BETWEEN_SLOW || ',
    replacement: 'if (',
    tests: [PACE],
  },
  {
    name: 'single write that listens in place of the one whose record it depends on',
    file: 'internal/master/write-path.ts',
    text: 'dependsOn.position.lsn === nextLsn, complete',
    replacement: 'dependsOn.position.lsn <= nextLsn, complete',
    tests: ['test/master/soon.test.ts'],
  },
  {
    name: 'single write answered although its record was refused',
    file: 'internal/master/operations/write-in-flight.ts',
    text: '    if (error !== undefined) {\n      this.#receiver?.onError(error);\n      return;\n    }\n',
    replacement: '    void error;\n',
    tests: ['test/master/soon.test.ts'],
  },
];
