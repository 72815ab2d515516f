/** What a call says of the cluster that it is for. */

/** One object for each map. */
export interface MeantCluster {
  readonly clusterId: string;
  /** The epoch of the shard map that the caller knows. */
  readonly epoch: number;
}

/** The names that `internal/wire/error-codes.ts` gives them. */
const [CLUSTER_HEADER, MAP_EPOCH_HEADER] = ['x-walnut-cluster', 'x-map-epoch'];

/** Headers that say for which cluster a call is, and which map the caller knows. */
export function clusterHeaders({ clusterId, epoch }: MeantCluster): readonly (readonly [string, string])[] {
  return [
    [CLUSTER_HEADER, clusterId],
    [MAP_EPOCH_HEADER, String(epoch)],
  ];
}
