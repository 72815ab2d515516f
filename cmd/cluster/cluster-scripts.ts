/** What `npm run cluster:ha` and `npm run cluster` are, with their store in a file and in members of etcd. */
import type { LocalScript } from '../local/local-script.ts';

/** The nodes of each group, by the ids of the groups. */
export type LocalGroups = Readonly<Record<string, readonly string[]>>;

export interface ClusterScript extends LocalScript {
  readonly groups: LocalGroups;
  /** True if a gateway serves the keys of all groups. */
  readonly hasGateway: boolean;
  /** True if the store is in three members of etcd. */
  readonly isOnEtcd: boolean;
}

/** The names of all nodes, in the order of their ports. */
export function nodesOf({ groups }: ClusterScript): string[] {
  return Object.values(groups).flat();
}

/** One group of three: a failover loses no write that reached a majority. */
export const CLUSTER: ClusterScript = {
  groups: { g1: ['node-1', 'node-2', 'node-3'] },
  hasGateway: false,
  isOnEtcd: false,
  script: 'cluster:ha',
  command: 'npm run cluster:ha',
  options: ['port', 'etcd'],
  portCount: 4,
  portExample: 9_070,
  what: 'the cluster',
  place: 'data/cluster-ha',
  usage: `Usage: npm run cluster:ha [-- [--etcd] [--port N]]

Starts a coordinator and three nodes from configs/coordinator.yaml, node-1.yaml,
node-2.yaml and node-3.yaml, makes one group of the nodes, and shows who leads it
whenever that changes. The data is under ./data/cluster-ha. Ctrl-C stops them
all; the next start finds the data again.

  --etcd     the coordinator, of configs/coordinator-etcd.yaml, keeps the cluster
             in three members of etcd, which are started too; all data is under
             ./data/cluster-ha-etcd
  --port N   the coordinator listens on N and the nodes on N+1, N+2 and N+3
             instead of the ports in the files, and etcd on N+4, N+5 and N+6
             instead of 8084, 8085 and 8086

To start the processes one by one instead: docs/cluster.md
`,
};

/** With members of etcd as the store. The data is elsewhere, since another store is another cluster. */
export const CLUSTER_ON_ETCD: ClusterScript = {
  ...CLUSTER,
  isOnEtcd: true,
  argument: '--etcd',
  portCount: 7,
  place: 'data/cluster-ha-etcd',
};

/** Two groups that divide the keys among them, and a gateway for both. */
export const GROUPS: ClusterScript = {
  groups: { g1: ['node-1', 'node-2'], g2: ['node-3', 'node-4'] },
  hasGateway: true,
  isOnEtcd: false,
  script: 'cluster',
  command: 'npm run cluster',
  options: ['port', 'etcd'],
  portCount: 6,
  portExample: 9_070,
  what: 'the cluster',
  place: 'data/cluster',
  usage: `Usage: npm run cluster [-- [--etcd] [--port N]]

Starts a coordinator, four nodes and a gateway from configs/coordinator.yaml,
node-1.yaml to node-4.yaml and gateway.yaml, makes two groups of two nodes that
divide the keys among them, and shows who leads each whenever that changes. The
gateway serves all keys. The data is under ./data/cluster. Ctrl-C stops them all;
the next start finds the data again.

  --etcd     the coordinator, of configs/coordinator-etcd.yaml, keeps the cluster
             in three members of etcd, which are started too; all data is under
             ./data/cluster-etcd
  --port N   the coordinator listens on N, the nodes on N+1 to N+4 and the gateway
             on N+5 instead of the ports in the files, and etcd on N+6, N+7 and
             N+8 instead of 8085, 8086 and 8087

To start the processes one by one instead: docs/cluster.md
`,
};

export const GROUPS_ON_ETCD: ClusterScript = {
  ...GROUPS,
  isOnEtcd: true,
  argument: '--etcd',
  portCount: 9,
  place: 'data/cluster-etcd',
};
