/** The cluster as a map alone shows it: who is heard, takes writes and has alarms is not known. Pure. */
import { groupsOf, NOBODY_HEARD, nodesOf } from '#cluster/cluster-views.ts';
import type { ShardMap } from '#cluster/shard-map.ts';
import type { GetClusterResponse, ListNodesResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { fromClusterView, fromNodesView } from '#wire/coordinator-codec.ts';

/** A process with a map hears no node. The name of the cluster is not in a map. */
const NOT_ACTIVE = { isActive: false, activeCoordinator: '' } as const;

export function clusterOfMap(map: ShardMap | undefined, version: string): GetClusterResponse {
  const { clusterId = '', epoch = 0 } = map ?? {};
  const groups = map === undefined ? [] : groupsOf(map, NOBODY_HEARD);
  return fromClusterView(
    { name: '', clusterId, epoch, ...NOT_ACTIVE, groups, alarms: [], warnings: [], metadataProblem: '' },
    version,
  );
}

export function nodesOfMap(map: ShardMap | undefined): ListNodesResponse {
  const nodes = map === undefined ? [] : nodesOf(map, NOBODY_HEARD);
  return fromNodesView({ ...NOT_ACTIVE, nodes });
}
