/** Planted bugs of named writes: what would carry one out twice, or lose what became of it. */
import type { Mutant } from '#test/mutants/mutant.ts';

const TABLE = 'test/storage/request-table.test.ts';
const MASTER = 'test/master/named-once.test.ts';
const PARTS = 'test/master/named-parts.test.ts';

export const NAMED_MUTANTS: readonly Mutant[] = [
  {
    name: 'named writes left out of snapshots',
    file: 'internal/storage/snapshot-scan.ts',
    text: 'encodeRequestBlocks(requests)',
    replacement: '[][Symbol.iterator]()',
    tests: [TABLE],
  },
  {
    name: 'named write that changed nothing is not logged',
    file: 'internal/master/named-once.ts',
    text: '    builder.name({ name,',
    replacement: '    if (kept.applied) builder.name({ name,',
    tests: [MASTER],
  },
  {
    name: 'named write: answered_through ignored',
    file: 'internal/storage/request-table.ts',
    text: 'client.dropThrough(answeredThrough)',
    replacement: 'client.dropThrough(0 * answeredThrough)',
    tests: [TABLE],
  },
  {
    name: 'named writes: mark not raised where a client is forgotten',
    file: 'internal/storage/request-table.ts',
    text: 'this.#setMarks(Math.max(this.#clientsMark, client.lastLsn), this.#requestsMark);',
    replacement: 'this.#setMarks(this.#clientsMark, this.#requestsMark);',
    tests: [TABLE],
  },
  {
    name: 'named writes: mark not raised where a request id is forgotten',
    file: 'internal/storage/request-table.ts',
    text: 'this.#setMarks(this.#clientsMark, Math.max(this.#requestsMark, row.outcome.position.lsn));',
    replacement: 'this.#setMarks(this.#clientsMark, this.#requestsMark);',
    tests: [TABLE],
  },
  {
    name: 'named writes: client that comes back counts as one that was never forgotten',
    file: 'internal/storage/request-table.ts',
    text: 'return new ClientOutcomes(clientId, this.#clientsMark)',
    replacement: 'return new ClientOutcomes(clientId, 0)',
    tests: [TABLE],
  },
  {
    name: 'named writes of two clients in one record, of which one is left out of the table',
    file: 'internal/storage/request-table.ts',
    text: 'if (client?.clientId !== name.clientId) {',
    replacement: 'if (client === undefined) {',
    tests: [TABLE],
  },
  {
    name: 'named writes left out of the digest of the state',
    file: 'internal/storage/store.ts',
    text: '    this.requests.addDigestTo(target, at);',
    replacement: '    if (target.length < 0) this.requests.addDigestTo(target, at);',
    tests: [TABLE],
  },
  {
    name: 'named write of a refused record stays known',
    file: 'internal/master/write-path.ts',
    text: '    this.named.drop();',
    replacement: '',
    tests: [MASTER],
  },
  {
    name: 'named write that changed nothing is answered before its record is durable',
    file: 'internal/master/write-path.ts',
    text: '  return applied || isNamed === true;',
    replacement: '  return applied && isNamed !== false;',
    tests: [MASTER],
  },
  {
    name: 'named write: another request under the same name is answered',
    file: 'internal/master/named-once.ts',
    text: 'if (known.checksum !== operation.checksum)',
    replacement: 'if (known.checksum < 0)',
    tests: [MASTER],
  },
  {
    name: 'named write is looked up only until its record is applied',
    file: 'internal/master/named-once.ts',
    text: 'const outcome = this.#engine.store.requests.find(name, nowMs);',
    replacement: 'const outcome = nowMs < 0 ? this.#engine.store.requests.find(name, nowMs) : undefined;',
    tests: ['test/node/api-model.test.ts'],
  },
  {
    name: 'named write known to one master although it could be logged',
    file: 'internal/master/named-once.ts',
    text: 'if (!this.#engine.formats.isTaken) {',
    replacement: "if (name.kind === 'request') {",
    tests: ['test/node/named-writes.test.ts'],
  },
  {
    name: 'Batch with one name whose refused write counts as applied in the log',
    file: 'internal/master/operations/named-parts.ts',
    text: 'if (part instanceof WalnutError) return REFUSED;',
    replacement: 'if (part instanceof WalnutError) return { applied: true, isUnmet: false };',
    tests: [PARTS],
  },
  {
    name: 'Batch with one name of which everything is refused, and whose name is used up',
    file: 'internal/master/operations/named-parts.ts',
    text: 'throw first;',
    replacement: '',
    tests: [PARTS],
  },
  {
    name: 'plain Sets under a name that is known, done again',
    file: 'internal/master/operations/plain-sets.ts',
    text: 'if (name !== undefined && !path.named.isNew(name, builder.nowMs)) return undefined;',
    replacement: '',
    tests: ['test/node/byte-batches.test.ts'],
  },
  {
    name: 'plain Sets whose name is not in the log',
    file: 'internal/master/operations/plain-sets.ts',
    text: '{ checksum, results }, { ...builder.written, parts }, builder);',
    replacement: '{ checksum, results }, { ...builder.written }, builder);',
    tests: ['test/node/byte-batches.test.ts'],
  },
  {
    name: 'name of a Batch whose checksum covers the name',
    file: 'internal/wire/kv-reader.ts',
    text: 'checksum: crc32(reader.bytes, 0, 0, operationsEnd)',
    replacement: 'checksum: crc32(reader.bytes, 0, 0, total)',
    tests: ['test/node/byte-batches.test.ts'],
  },
];
