/** Bugs by which two groups of a cluster could serve one key, or none knew whose it is. */
import type { Mutant } from './mutant.ts';

const CODEC = 'test/engine/record-codec.test.ts';
const EVERY = 'test/backup/every-record.test.ts';
const HASH = 'test/cluster/slot-hash.test.ts';
const MOVED = 'test/server/shard-moved.test.ts';
const NODES = 'test/node/member/ownership.test.ts';
const SERVED = 'test/node/served-slots.test.ts';
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
    name: 'prefix with an empty tag taken for one of one slot',
    file: 'internal/cluster/slot-hash.ts',
    text: "prefix.indexOf('}', open) > open + 1",
    replacement: "prefix.indexOf('}', open) > open",
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
    file: 'internal/wire/error-reader.ts',
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
  {
    name: 'key served before the log says that the group owns it',
    file: 'internal/node/served-slots.ts',
    text: "(group === undefined || group === '')",
    replacement: "group !== 'none'",
    tests: [SERVED],
  },
  {
    name: 'key served that a map gives to another group',
    file: 'internal/node/served-slots.ts',
    text: 'if (owner !== group) served.fill(0, first, last + 1)',
    replacement: 'if (owner === undefined) served.fill(0, first, last + 1)',
    tests: [SERVED],
  },
  {
    name: 'older map that takes the place of a newer one',
    file: 'internal/node/served-slots.ts',
    text: 'if (map.epoch >= Math.max(mapEpoch, this.#map?.epoch ?? 0)) this.#map = map;',
    replacement: 'if (map.epoch >= mapEpoch) this.#map = map;',
    tests: [SERVED],
  },
  {
    name: 'ownership of the last group instead of that of the log now',
    file: 'internal/node/served-slots.ts',
    text: 'if (logged !== this.#logged || group',
    replacement: 'if (group',
    tests: [SERVED],
  },
  {
    name: 'group that is sent back to itself',
    file: 'internal/node/served-slots.ts',
    text: "if (owner !== '' && owner === group)",
    replacement: "if (owner === 'none')",
    tests: [SERVED],
  },
  {
    name: 'master that never logs what its group owns',
    file: 'internal/node/member/lead-term.ts',
    text: '  await current.stateOwnership({',
    replacement: '  if (map.epoch < 0) await current.stateOwnership({',
    tests: [NODES],
  },
  {
    name: 'Batch of Sets by bytes that looks at no slot',
    file: 'internal/node/doors/keys-door.ts',
    text: 'return this.#owned.servesAll(sets) ? master.sets(sets) : undefined;',
    replacement: 'return master.sets(sets);',
    tests: [NODES],
  },
  {
    name: 'mixed Batch by bytes that looks at no slot',
    file: 'internal/node/doors/keys-door.ts',
    text: 'return this.#owned.servesAll(args[0]) ? master.mixed(...args) : undefined;',
    replacement: 'return master.mixed(...args);',
    tests: [NODES],
  },
  {
    name: 'Gets by bytes that look at no slot',
    file: 'internal/wire/kv-calls.ts',
    text: 'const isServed = moment.serves === undefined || areServed(columns, moment.serves);',
    replacement: 'const isServed = areServed(columns, () => true);',
    tests: [NODES],
  },
  {
    name: 'Batch that is carried out but for the keys of another group',
    file: 'internal/node/doors/keys-door.ts',
    text: '    this.#owned.batch(operations);\n    const hasWrites',
    replacement: '    const hasWrites',
    tests: [NODES],
  },
  {
    name: 'large Batch that is refused after its first part',
    file: 'internal/server/sliced-batch.ts',
    text: '  check();\n',
    replacement: '',
    tests: ['test/server/sliced-batch.test.ts'],
  },
  {
    name: 'repeat of a write refused for its slot',
    file: 'internal/node/doors/owned-keys.ts',
    text: 'if (partial !== undefined && !isKnown(master, write.id)) partial',
    replacement: 'if (partial !== undefined) partial',
    tests: [NODES],
  },
  {
    name: 'plain group that keeps to the slots of the group that it was restored from',
    file: 'internal/node/master-role.ts',
    text: '    this.#engine.submitOwnership({ ...current',
    replacement: '    if (isMember) this.#engine.submitOwnership({ ...current',
    tests: ['test/node/plain-ownership.test.ts'],
  },
  {
    name: 'node that answers although its caller knows a newer map',
    file: 'internal/node/member/member-agent.ts',
    text: '    if (known >= epoch) return;\n',
    replacement: '    if (known >= 0) return;\n',
    tests: [NODES],
  },
  {
    name: 'map epoch of a caller that nobody reads',
    file: 'internal/rpc/admission.ts',
    text: "  return whenMapHeard(epoch)?.then(() => undefined, toRefusal('map'));",
    replacement: '  whenMapHeard(epoch)?.catch(() => undefined);\n  return undefined;',
    tests: ['test/server/admission.test.ts'],
  },
  {
    name: 'recovery that gives the slots of a group that nobody hears to nobody',
    file: 'internal/cluster/plan-recovery.ts',
    text: 'if (fault === undefined) return [];',
    replacement: "if (fault?.kind !== 'two') return [];",
    tests: ['test/cluster/plan-recovery.test.ts'],
  },
  {
    name: 'member that does not tell which slots its log owns',
    file: 'internal/node/member/describe-self.ts',
    text: '    owned: engine?.store.ownership.current?.owned,\n',
    replacement: '',
    tests: [NODES],
  },
];
