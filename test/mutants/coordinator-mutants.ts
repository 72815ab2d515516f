/** Bugs of the store and of the coordinator by which two could act, or a change be lost or done twice. */
import type { Mutant } from './mutant.ts';

const CONTRACT = 'test/metadata/contract.test.ts';
const FILE = 'test/metadata/file-store.test.ts';
const LOCAL = 'test/metadata/local-store.test.ts';
const ETCD = 'test/metadata/etcd-store.test.ts';

export const COORDINATOR_MUTANTS: readonly Mutant[] = [
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
];
