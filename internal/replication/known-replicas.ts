/**
 * The replicas that MANIFEST remembers, and how that list changes. Pure; the
 * list is bounded. A node has one address in it, the one it registered with last.
 */
import { WalnutError } from '#model/errors.ts';
import { KNOWN_REPLICAS_MAX, REMOVED_REPLICAS_MAX } from '#model/limits.ts';
import type { GroupMembers, NodeAddress } from '#model/replication.ts';
import type { Manifest } from '#wal/manifest.ts';

export type KnownReplicas = Manifest['replicas'];

/**
 * The list after `node` registered. Its earlier addresses are removed, and so is
 * any other node at its address. If the list is full, the oldest address of a
 * node that registered and is not `isLive` is removed. Returns `list` itself if
 * nothing changes; throws `resource_exhausted` if the list is full of live nodes.
 */
export function withRegistered(
  list: KnownReplicas,
  node: NodeAddress,
  isLive: (address: string) => boolean,
): KnownReplicas {
  const { address, nodeId, formatLevel = 0 } = node;
  const { added, removed, nodes = [] } = list;
  if (removedAs(list, node) !== undefined) return list;
  const isKnown = nodes.some(
    (one) => one.nodeId === nodeId && one.address === address && (one.formatLevel ?? 0) === formatLevel,
  );
  const moved = nodes.filter((one) => one.nodeId === nodeId && one.address !== address);
  if (isKnown && moved.length === 0 && added.includes(address)) return list;
  const left = added.filter((one) => !moved.some((old) => old.address === one));
  const others = nodes.filter((one) => one.nodeId !== nodeId && one.address !== address);
  return tidy(
    fitting({ added: including(left, address), removed, nodes: [...others, node] }, address, isLive),
  );
}

/** The list after an operator added `address`, or took it back. Throws `resource_exhausted` as `withRegistered` does. */
export function withAdded(
  list: KnownReplicas,
  address: string,
  isLive: (address: string) => boolean,
): KnownReplicas {
  const added = including(list.added, address);
  const removed = list.removed.filter((one) => one !== address);
  return tidy(fitting({ ...list, added, removed }, address, isLive));
}

/** The list after an operator removed `address` and the node last seen there. If there are too many removals, the oldest is forgotten. */
export function withRemoved(list: KnownReplicas, address: string, nodeId: string | undefined): KnownReplicas {
  const { nodes = [] } = list;
  const known = nodes.filter((one) => one.address !== address || nodeId === undefined);
  return tidy({
    added: list.added.filter((one) => one !== address),
    removed: including(list.removed, address).slice(-REMOVED_REPLICAS_MAX),
    nodes: nodeId === undefined ? known : [...known, { address, nodeId }],
  });
}

/** For a member of a cluster: the map lists the nodes of its group, those included that were removed from the plain group before. */
export function withoutRemovals(list: KnownReplicas): KnownReplicas {
  return tidy({ ...list, removed: [] });
}

/** Adds addresses of other nodes that take part in claims and announcements, such as the old master's. */
export function withKnown(list: KnownReplicas, addresses: readonly string[]): KnownReplicas {
  const added = [...new Set([...list.added, ...addresses])].filter((one) => !list.removed.includes(one));
  return { ...list, added: added.slice(-KNOWN_REPLICAS_MAX) };
}

/** The address at which this node was removed, even if it has another now; undefined: it was not removed. */
export function removedAs(list: KnownReplicas, { address, nodeId }: NodeAddress): string | undefined {
  const { removed, nodes = [] } = list;
  if (removed.includes(address)) return address;
  return nodes.find((one) => one.nodeId === nodeId && removed.includes(one.address))?.address;
}

export function isSameList(a: KnownReplicas, b: KnownReplicas): boolean {
  const [nodesA, nodesB] = [a.nodes ?? [], b.nodes ?? []].map((nodes) =>
    nodes.map(({ address, nodeId, formatLevel = 0 }) => `${nodeId} ${address} ${formatLevel}`),
  );
  return isSame(a.added, b.added) && isSame(a.removed, b.removed) && isSame(nodesA ?? [], nodesB ?? []);
}

/** The first node that registered, was not removed, and has not said that it reads formats of `level`. */
export function firstBelow(level: number, { removed, nodes }: GroupMembers): NodeAddress | undefined {
  return nodes.find(({ address, formatLevel = 0 }) => formatLevel < level && !removed.includes(address));
}

function fitting(list: KnownReplicas, newest: string, isLive: (address: string) => boolean): KnownReplicas {
  if (list.added.length <= KNOWN_REPLICAS_MAX) return list;
  const { nodes = [] } = list;
  const gone = list.added.find(
    (one) => one !== newest && !isLive(one) && nodes.some(({ address }) => address === one),
  );
  if (gone !== undefined) return { ...list, added: list.added.filter((one) => one !== gone) };
  throw new WalnutError(
    'resource_exhausted',
    `this node remembers ${KNOWN_REPLICAS_MAX} replicas, as many as it can: remove one that is gone, with: walnut remove-replica HOST:PORT`,
  );
}

/** Drops nodes whose address is in neither list. */
function tidy({ added, removed, nodes = [] }: KnownReplicas): KnownReplicas {
  const kept = nodes.filter(({ address }) => added.includes(address) || removed.includes(address));
  return { added, removed, nodes: kept };
}

function including(list: readonly string[], address: string): readonly string[] {
  return list.includes(address) ? list : [...list, address];
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, index) => one === b[index]);
}
