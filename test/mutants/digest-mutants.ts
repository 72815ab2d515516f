/** Bugs by which a node could come to be silently different, or stay so. */
import type { Mutant } from './mutant.ts';

const SCRUB = 'test/storage/scrub.test.ts';
const CHECK = 'test/slave/digest-check.test.ts';

export const DIGEST_MUTANTS: readonly Mutant[] = [
  {
    name: 'evictions not applied by replicas',
    file: 'internal/engine/records/data-record.ts',
    text: `  apply(frame, { store }) {
    const mutation = open(frame);
    while (mutation.next()) store.applyEncoded(mutation, frame);`,
    replacement: `  apply(frame, state) {
    const { store } = state;
    const mutation = open(frame);
    while (mutation.next())
      if (mutation.cause !== 'evicted' || Reflect.get(Reflect.get(state, 'feed'), 'bytesMax') > 0)
        store.applyEncoded(mutation, frame);`,
    tests: ['test/node/simulation.test.ts'],
  },
  {
    name: 'digest stated of the record before the push',
    file: 'internal/replication/pusher.ts',
    text: 'digest: context.digestAt(sent.lsn),',
    replacement: 'digest: context.digestAt(previous.lsn),',
    tests: ['test/replication/pusher.test.ts'],
  },
  {
    name: 'digest compared at another record',
    file: 'internal/slave/digest-check.ts',
    text: "const found = stated === '' ? undefined : digests.at(lsn)?.digest;",
    replacement: "const found = stated === '' ? undefined : digests.at((lsn - 1) as Lsn)?.digest;",
    tests: [CHECK],
  },
  {
    name: 'digest that differs served all the same',
    file: 'internal/node/replica-role.ts',
    text: 'if (this.isSuspect) throw unavailable(this.#follower.check.reason, this.leaderHint);',
    replacement: '',
    tests: ['test/node/digest.test.ts'],
  },
  {
    name: 'digest that differs makes full resyncs for ever',
    file: 'internal/slave/digest-check.ts',
    text: "return this.#tried <= RESYNCS_MAX ? 'resync' : 'none';",
    replacement: "return 'resync';",
    tests: [CHECK],
  },
  {
    name: 'altered value written into a snapshot',
    file: 'internal/storage/snapshot-scan.ts',
    text: "    if (this.#altered !== '') throw",
    replacement: "    if (this.#altered === 'never') throw",
    tests: [SCRUB],
  },
  {
    name: 'altered value not looked at by a scrub',
    file: 'internal/storage/scrub-scan.ts',
    text: 'if (found >>> 0 !== stored >>> 0) return describeCrc(found, stored);',
    replacement: 'if (found === 0 && stored !== 0) return describeCrc(found, stored);',
    tests: [SCRUB],
  },
  {
    name: 'altered state suspected after a delete behind the scrub',
    file: 'internal/storage/store.ts',
    text: '    this.#scrub?.removed(slot, this.#hasher);\n',
    replacement: '',
    tests: [SCRUB],
  },
];
