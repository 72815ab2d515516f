/** Bugs by which a gateway could do a write twice, mix up groups, or let one dead group stop the others. */
import type { Mutant } from './mutant.ts';

const KEYS = 'test/routing/cluster-keys.test.ts';
const HOLD = 'test/routing/hold.test.ts';
const MAP = 'test/routing/map.test.ts';
const WATCH = 'test/routing/merged-watch.test.ts';
const LINKS = 'test/peer/node-links.test.ts';

export const ROUTING_MUTANTS: readonly Mutant[] = [
  {
    name: 'gateway that repeats a write without a name',
    file: 'internal/routing/cluster-keys.ts',
    text: 'return send(link, { ...command, id: named }, attempt);',
    replacement: 'return send(link, command, attempt);',
    tests: [KEYS],
  },
  {
    name: 'gateway that does a forgotten repeat anew',
    file: 'internal/routing/cluster-keys.ts',
    text: 'if (mayBeRepeat || own === undefined || !isForgotten(error)) throw error;',
    replacement: 'if (own === undefined || !isForgotten(error)) throw error;',
    tests: [KEYS],
  },
  {
    name: 'position of another group sent with a read',
    file: 'internal/routing/groups.ts',
    text: 'return owner === undefined || owner === group.id ? position : undefined;',
    replacement: 'return position;',
    tests: [KEYS],
  },
  {
    name: 'results of a divided Batch in the order of its parts',
    file: 'internal/routing/batch-calls.ts',
    text: 'running.results[place] = results[i];',
    replacement: 'running.results[i] = results[i];',
    tests: [KEYS],
  },
  {
    name: 'held Batch of small operations that counts as nothing',
    file: 'internal/routing/split-batch.ts',
    text: 'return OPERATION_BYTES + command.key.length',
    replacement: 'return command.key.length',
    tests: [KEYS],
  },
  {
    name: 'names of writes made before there is a place for them',
    file: 'internal/routing/group-calls.ts',
    text: 'return this.#placed(bytes, () => (count === 0 ? work([]) : this.#withNames(count, key, work)));',
    replacement:
      'return count === 0 ? work([]) : this.#withNames(count, key, (ids) => this.#placed(bytes, () => work(ids)));',
    tests: [KEYS],
  },
  {
    name: 'atomic Batch over two slots',
    file: 'internal/routing/cluster-keys.ts',
    text: '    slotOfAll(command.operations);',
    replacement: '',
    tests: [KEYS],
  },
  {
    name: 'cursor that names any node',
    file: 'internal/routing/paged-keys.ts',
    text: 'const isMember = group.hasNode(address);',
    replacement: 'const isMember = true;',
    tests: [KEYS],
  },
  {
    name: 'group held by the cursor of one dead node',
    file: 'internal/routing/router.ts',
    text: "call.target === 'master' && call.at === undefined ? this.#gate : undefined;",
    replacement: "call.target === 'master' ? this.#gate : undefined;",
    tests: [KEYS],
  },
  {
    name: 'cursor of DeletePrefix taken to a replica',
    file: 'internal/routing/paged-keys.ts',
    text: "if (isMember && !(target === 'master' && group.isLedElsewhere(address))) return group;",
    replacement: 'if (isMember) return group;',
    tests: [KEYS],
  },
  {
    name: 'group held by a position that is not reached',
    file: 'internal/peer/node-links.ts',
    text: "return { remedy: isNotYet === true ? 'not_yet' : 'later' };",
    replacement: "return { remedy: 'later' };",
    tests: [LINKS],
  },
  {
    name: 'sequences of one client that the group has forgotten',
    file: 'internal/routing/own-names.ts',
    text: 'this.#clients.find((one) => spanOf(one) + count <= SEQUENCES_OPEN_MAX)',
    replacement: 'this.#clients.find((one) => one.open.size + count <= SEQUENCES_OPEN_MAX)',
    tests: [HOLD],
  },
  {
    name: 'all held calls that ask a dead group at once',
    file: 'internal/routing/hold.ts',
    text: 'if (!this.#isOpen && this.#underWay < UNDER_WAY_MAX && this.#waiting.size === 0)',
    replacement: 'if (this.#underWay < UNDER_WAY_MAX)',
    tests: [HOLD, KEYS],
  },
  {
    name: 'breaker that no answer closes',
    file: 'internal/routing/hold.ts',
    text: '    if (this.#isOpen) this.#close();',
    replacement: '',
    tests: [HOLD],
  },
  {
    name: 'group held because its callers gave up',
    file: 'internal/routing/hold.ts',
    text: '  onGivenUp(): void {\n    this.#underWay--;',
    replacement: '  onGivenUp(): void {\n    this.onFailure();\n    return;',
    tests: [HOLD],
  },
  {
    name: 'held calls without a bound',
    file: 'internal/routing/hold.ts',
    text: 'this.#calls >= limits.callsMax ||',
    replacement: '',
    tests: [HOLD, KEYS],
  },
  {
    name: 'map of another cluster taken',
    file: 'internal/routing/map-cache.ts',
    text: "if (map !== undefined && news.map.clusterId !== map.clusterId) return 'foreign';",
    replacement: '',
    tests: [MAP],
  },
  {
    name: 'older map taken',
    file: 'internal/routing/map-cache.ts',
    text: "if (map !== undefined && news.map.epoch <= map.epoch) return 'known';",
    replacement: '',
    tests: [MAP],
  },
  {
    name: 'kept map that counts as fresh',
    file: 'internal/routing/map-cache.ts',
    text: '    if (this.#map === undefined) this.#set(map);',
    replacement: "    if (this.#map === undefined) this.take({ kind: 'whole', map, epoch: map.epoch });",
    tests: [MAP],
  },
  {
    name: 'part of a record told twice after a break',
    file: 'internal/routing/group-watch.ts',
    text: 'let skipped = told;',
    replacement: 'let skipped = 0;',
    tests: [WATCH],
  },
  {
    name: 'group that goes on within the record of another',
    file: 'internal/routing/merged-watch.ts',
    text: 'among = message.isFragment ? [source] : sources;',
    replacement: 'among = sources;',
    tests: [WATCH],
  },
  {
    name: 'initial entries said to be complete by the first group',
    file: 'internal/routing/merged-watch.ts',
    text: 'const isInitialDone = !isInitialTold && sources.every((one) => one.isInitialDone);',
    replacement: 'const isInitialDone = !isInitialTold && sources.some((one) => one.isInitialDone);',
    tests: [WATCH],
  },
  {
    name: 'call for one cluster carried out by a node of another',
    file: 'internal/rpc/admission.ts',
    text: '  if (meant !== undefined && meant !== own)',
    replacement: '  if (meant !== undefined && meant === own)',
    tests: ['test/server/other-cluster.test.ts'],
  },
  {
    name: 'calls to nodes that do not say for which cluster',
    file: 'internal/peer/node-links.ts',
    text: 'createOwnTransport({ ...endpoint, cluster }, clock)',
    replacement: 'createOwnTransport({ ...endpoint, cluster: undefined }, clock)',
    tests: ['test/server/other-cluster.test.ts'],
  },
  {
    name: 'refusal of a repeat told as nothing done',
    file: 'internal/peer/node-links.ts',
    text: "const nothingDone = outcome === 'not_done' ? (true as const) : undefined;",
    replacement: 'const nothingDone = error.details.nothingDone;',
    tests: [LINKS],
  },
];
