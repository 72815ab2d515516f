/** The cluster as a map alone shows it: who is heard, takes writes and has alarms is not known. Pure. */
import { groupOf } from '#cluster/leasable.ts';
import { runsOf, type ShardMap, slotsIn } from '#cluster/shard-map.ts';
import type { GetClusterResponse, ListNodesResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { fromClusterView, fromNodesView } from '#wire/coordinator-codec.ts';

/** A process with a map hears no node. The name of the cluster is not in a map. */
const NOT_ACTIVE = { isActive: false, activeCoordinator: '' } as const;

export function clusterOfMap(map: ShardMap | undefined, version: string): GetClusterResponse {
  const { clusterId = '', epoch = 0, slots = [] } = map ?? {};
  const groups = [...(map?.groups.values() ?? [])]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((group) => {
      const owned = slotsIn(runsOf(slots, group.id));
      return { group, slots: owned, isTakingWrites: false, votersHeard: 0 };
    });
  return fromClusterView({ name: '', clusterId, epoch, ...NOT_ACTIVE, groups, alarms: [] }, version);
}

export function nodesOfMap(map: ShardMap | undefined): ListNodesResponse {
  const idOf = (name: string): string => (map === undefined ? '' : (groupOf(map, name)?.id ?? ''));
  const nodes = [...(map?.nodes.values() ?? [])]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((node) => ({ node, isListed: true, group: idOf(node.name), heard: undefined }));
  return fromNodesView({ ...NOT_ACTIVE, nodes });
}
