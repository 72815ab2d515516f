/** Bugs by which an address stands for a node: one disk is counted as another, or as two. */
import type { Mutant } from './mutant.ts';

const IDENTITY = 'test/node/identity.test.ts';
const KNOWN = 'test/replication/known-replicas.test.ts';

const MEANT = 'test/node/meant-nodes.test.ts';
const ADDRESS = 'test/node/master-address.test.ts';

export const IDENTITY_MUTANTS: readonly Mutant[] = [
  {
    name: 'ack of another node at the address counted',
    file: 'internal/replication/ack-owner.ts',
    text: "  return said === pushedTo ? 'own' : 'other';",
    replacement: "  return said === pushedTo || said !== '' ? 'own' : 'other';",
    tests: ['test/replication/pusher.test.ts'],
  },
  {
    name: 'ack that names no node counted',
    file: 'internal/replication/ack-owner.ts',
    text: "  if (said === undefined) return 'unnamed';",
    replacement: "  if (said === undefined) return 'own';",
    tests: [IDENTITY],
  },
  {
    name: 'push taken that is for another node',
    file: 'internal/slave/push-intake.ts',
    text: '    checkMeant(request.replicaNodeId, manifest.nodeId);',
    replacement: '',
    tests: [IDENTITY],
  },
  {
    name: 'node that was at the address before kept beside the new one',
    file: 'internal/replication/replica-registry.ts',
    text: '      if (other === nodeId) continue;',
    replacement: "      if (other !== '') continue;",
    tests: [IDENTITY],
  },
  {
    name: 'second live holder of an address taken',
    file: 'internal/replication/admit-replica.ts',
    text: '(id) => id !== request.nodeId && registered.isLive(id)',
    replacement: "(id) => id === '' && registered.isLive(id)",
    tests: [IDENTITY],
  },
  {
    name: 'copy of the master taken as its replica',
    file: 'internal/replication/admit-replica.ts',
    text: '  if (request.nodeId === nodeId) {',
    replacement: "  if (request.nodeId === '') {",
    tests: [IDENTITY],
  },
  {
    name: 'address kept of a node that has moved',
    file: 'internal/replication/known-replicas.ts',
    text: '  const left = added.filter((one) => !moved.some((old) => old.address === one));',
    replacement: '  const left = added.filter((one) => !moved.some((old) => old.address === one && false));',
    tests: [KNOWN, 'test/node/known-replicas.test.ts'],
  },
  {
    name: 'removed node taken back at another address',
    file: 'internal/replication/known-replicas.ts',
    text: '  return nodes.find((one) => one.nodeId === nodeId && removed.includes(one.address))?.address;',
    replacement:
      '  return nodes.find((one) => one.nodeId === address && removed.includes(one.address))?.address;',
    tests: [KNOWN],
  },
  {
    name: 'list of known replicas that grows without limit',
    file: 'internal/replication/known-replicas.ts',
    text: '  if (list.added.length <= KNOWN_REPLICAS_MAX) return list;',
    replacement: '  if (list.added.length <= KNOWN_REPLICAS_MAX * 99) return list;',
    tests: [KNOWN],
  },
  {
    name: 'configured master never tried again once another address was learned',
    file: 'internal/slave/upstream.ts',
    text: "[hint, this.#options.host.manifest.configuredUpstream ?? '', this.#announced]",
    replacement: '[hint, this.#announced]',
    tests: [ADDRESS],
  },
  {
    name: 'announced address of the master followed in place of one that works',
    file: 'internal/node/announcement.ts',
    text: "        if (keeper.current?.kind === 'replica') keeper.current.consider(address);",
    replacement: '        await keeper.follow(address, request.term);',
    tests: [ADDRESS],
  },
  {
    name: 'replica quarantined by who stands at a guessed address',
    file: 'internal/slave/upstream.ts',
    text: '      if (!this.#isOwn(answer)) throw',
    replacement: "      if (address === '') throw",
    tests: [ADDRESS],
  },
  {
    name: 'replica that never comes not told of',
    file: 'internal/node/other-histories.ts',
    text: 'return [...told, ...describeAbsent(others, reasons, own)];',
    replacement: 'return [...told, ...describeAbsent(others.slice(9), reasons, own)];',
    tests: ['test/node/absent-replicas.test.ts'],
  },
  {
    name: 'word to lead taken that is for another node',
    file: 'internal/node/take-over.ts',
    text: '  checkMeant(request.replicaNodeId, nodeId);',
    replacement: '',
    tests: [MEANT],
  },
  {
    name: 'term granted that another node was asked for',
    file: 'internal/node/grant-claim.ts',
    text: '  checkMeant(request.receiverNodeId, nodeId);',
    replacement: '',
    tests: [MEANT],
  },
  {
    name: 'term counted as granted by whoever stands at the address',
    file: 'internal/node/promotion.ts',
    text: "        if (owner === 'other') throw",
    replacement: "        if (owner === '') throw",
    tests: [MEANT],
  },
  {
    name: 'leads again although a node that it knew answers nowhere',
    file: 'internal/node/comeback.ts',
    text: '  if (lost === undefined) return undefined;',
    replacement: '  if (lost === undefined || lost.nodeId !== own.nodeId) return undefined;',
    tests: [MEANT, 'test/node/unled-term.test.ts'],
  },
  {
    name: 'word to lead that names nobody, taken by a replica that has registered with nobody',
    file: 'internal/node/take-over.ts',
    text: "request.replicaNodeId === undefined && current.upstreamNodeId === ''",
    replacement: "request.replicaNodeId === '' && current.upstreamNodeId === ''",
    tests: [MEANT],
  },
  {
    name: 'node of version 0.1 told to lead without being asked who it is',
    file: 'internal/node/handover.ts',
    text: '      if (!isKnown) await meet(keeper, link, target);',
    replacement: '',
    tests: [MEANT],
  },
  {
    name: 'handover that forgets over a restart whom it meant',
    file: 'internal/node/handover.ts',
    text: 'keeper.cede({ to, nodeId, term, tail });',
    replacement: 'keeper.cede({ to, term, tail });',
    tests: [MEANT],
  },
  {
    name: 'promotion advised because another node answers at the address of the master',
    file: 'internal/node/lookout.ts',
    text: "upstreamNodeId !== '' && status.nodeId !== upstreamNodeId;",
    replacement: "upstreamNodeId !== '' && status.nodeId === '';",
    tests: [MEANT],
  },
  {
    name: 'term of another log answered as a fence',
    file: 'internal/slave/push-intake.ts',
    text: '    if (request.logId === manifest.logId && request.term < manifest.term)',
    replacement: '    if (request.term < manifest.term)',
    tests: [IDENTITY],
  },
];
