/** What `npm run cluster:ha` is, with its store in a file and in members of etcd. */
import type { LocalScript } from '../local/local-script.ts';

export const CLUSTER: LocalScript = {
  script: 'cluster:ha',
  command: 'npm run cluster:ha',
  options: ['port', 'etcd'],
  portCount: 4,
  portExample: 9_070,
  what: 'the cluster',
  place: 'data/cluster',
  usage: `Usage: npm run cluster:ha [-- [--etcd] [--port N]]

Starts a coordinator and three nodes from configs/coordinator.yaml, node-1.yaml,
node-2.yaml and node-3.yaml, makes one group of the nodes, and shows who leads it
whenever that changes. The data is under ./data/cluster. Ctrl-C stops them all;
the next start finds the data again.

  --etcd     the coordinator, of configs/coordinator-etcd.yaml, keeps the cluster
             in three members of etcd, which are started too; all data is under
             ./data/cluster-etcd
  --port N   the coordinator listens on N and the nodes on N+1, N+2 and N+3
             instead of the ports in the files, and etcd on N+4, N+5 and N+6
             instead of 8084, 8085 and 8086

To start the processes one by one instead: docs/cluster.md
`,
};

/** With members of etcd as the store. The data is elsewhere, since another store is another cluster. */
export const CLUSTER_ON_ETCD: LocalScript = {
  ...CLUSTER,
  argument: '--etcd',
  portCount: 7,
  place: 'data/cluster-etcd',
};
