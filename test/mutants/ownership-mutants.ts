/** Bugs by which two groups of a cluster could serve one key, or none knew whose it is. */
import type { Mutant } from './mutant.ts';

const CODEC = 'test/engine/record-codec.test.ts';
const EVERY = 'test/backup/every-record.test.ts';
const HASH = 'test/cluster/slot-hash.test.ts';
const MOVED = 'test/server/shard-moved.test.ts';
const WIRE = 'test/wire/error-codec.test.ts';

export const OWNERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: 'slot of a key that depends on what stands behind it in the request',
    file: 'internal/cluster/slot-hash.ts',
    text: 'indexIn(bytes, CLOSE, open + 1, to)',
    replacement: 'indexIn(bytes, CLOSE, open + 1, bytes.length)',
    tests: [HASH],
  },
  {
    name: 'slot of an empty hash tag',
    file: 'internal/cluster/slot-hash.ts',
    text: 'close > open + 1',
    replacement: 'close > open',
    tests: [HASH],
  },
  {
    name: 'ownership that a snapshot forgets',
    file: 'internal/engine/checkpoint.ts',
    text: '      ownership: engine.store.ownership.current,\n',
    replacement: '',
    tests: [EVERY],
  },
  {
    name: 'ownership that the digest does not see',
    file: 'internal/storage/store.ts',
    text: '    this.ownership.addDigestTo(target, at);\n',
    replacement: '',
    tests: ['test/storage/digest.test.ts'],
  },
  {
    name: 'ownership in two forms of bytes',
    file: 'internal/storage/logged-ownership.ts',
    text: 'first > before.last + 1',
    replacement: 'first > before.last',
    tests: [CODEC],
  },
  {
    name: 'master of another group taken for that of this one',
    file: 'internal/wire/error-codec.ts',
    text: '(shard === undefined ? routing?.address : undefined)',
    replacement: 'routing?.address',
    tests: [WIRE],
  },
  {
    name: 'write that a redirect sends on',
    file: 'internal/server/keys-serve.ts',
    text: "(method !== 'GET' && method !== 'HEAD')",
    replacement: "method === ''",
    tests: [MOVED],
  },
];
