/**
 * The replicas that MANIFEST remembers, and how that list changes: pure, and
 * bounded. A node has one address in it, the one it registered with last.
 */
import { WalnutError } from '#model/errors.ts';
import { KNOWN_REPLICAS_MAX, REMOVED_REPLICAS_MAX } from '#model/limits.ts';
import type { GroupMembers, NodeAddress } from '#model/replication.ts';
import type { Manifest } from '#wal/manifest.ts';

export type KnownReplicas = Manifest['replicas'];

/**
 * `node` registers. Whatever it was known by before goes, and so does who was
 * known at its address. Where the list is full, the address goes that has been
 * there longest of those that registered and are not `isLive`. Returns `list`
 * itself where nothing changes; throws `resource_exhausted` where none can go.
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

/** An operator adds an address, or takes it back. Throws `resource_exhausted` as `withRegistered` does. */
export function withAdded(
  list: KnownReplicas,
  address: string,
  isLive: (address: string) => boolean,
): KnownReplicas {
  const added = including(list.added, address);
  const removed = list.removed.filter((one) => one !== address);
  return tidy(fitting({ ...list, added, removed }, address, isLive));
}

/** An operator removes an address, and the node that was last seen there. Of too many removals the oldest is forgotten. */
export function withRemoved(list: KnownReplicas, address: string, nodeId: string | undefined): KnownReplicas {
  const { nodes = [] } = list;
  const known = nodes.filter((one) => one.address !== address || nodeId === undefined);
  return tidy({
    added: list.added.filter((one) => one !== address),
    removed: including(list.removed, address).slice(-REMOVED_REPLICAS_MAX),
    nodes: nodeId === undefined ? known : [...known, { address, nodeId }],
  });
}

/** Addresses that are to be asked and told besides those in the list, such as that of the old master. */
export function withKnown(list: KnownReplicas, addresses: readonly string[]): KnownReplicas {
  const added = [...new Set([...list.added, ...addresses])].filter((one) => !list.removed.includes(one));
  return { ...list, added: added.slice(-KNOWN_REPLICAS_MAX) };
}

/** The address by which a node was removed, be it here or elsewhere; undefined: it was not. */
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
    `${KNOWN_REPLICAS_MAX} replicas are known here: remove one that is gone, with: walnut remove-replica HOST:PORT`,
  );
}

/** Without nodes whose address is in neither list. */
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
