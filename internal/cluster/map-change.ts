/** A change of the shard map, and the map after it. Pure. */
import type { ClusterNode, Group, ShardMap, SlotRange } from '#cluster/shard-map.ts';

/** Everything that differs in the newer map. Applied to the older one it gives the newer. */
export interface MapChange {
  readonly fromEpoch: number;
  readonly epoch: number;
  /** New groups, and those that changed. */
  readonly groups: readonly Group[];
  /** Ids of groups that are gone. */
  readonly groupsGone: readonly string[];
  /** All ranges if any changed. */
  readonly slots: readonly SlotRange[] | undefined;
  readonly nodes: readonly ClusterNode[];
  /** Names of nodes that are gone. */
  readonly nodesGone: readonly string[];
}

/** Throws RangeError if the change does not begin at the map's epoch, since changes between would be missed. */
export function applyChange(map: ShardMap, change: MapChange): ShardMap {
  if (change.fromEpoch !== map.epoch)
    throw new RangeError(`a change from epoch ${change.fromEpoch} on a map of epoch ${map.epoch}`);
  const groups = new Map(map.groups);
  for (const id of change.groupsGone) groups.delete(id);
  for (const group of change.groups) groups.set(group.id, group);
  const nodes = new Map(map.nodes);
  for (const name of change.nodesGone) nodes.delete(name);
  for (const node of change.nodes) nodes.set(node.name, node);
  return { clusterId: map.clusterId, epoch: change.epoch, groups, slots: change.slots ?? map.slots, nodes };
}
