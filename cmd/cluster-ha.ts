/** `npm run cluster:ha`: one group of three nodes on this machine; its code is in `cmd/cluster/`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const [{ startCluster }, { CLUSTER, CLUSTER_ON_ETCD }] = await Promise.all([
  import('./cluster/start-cluster.ts'),
  import('./cluster/cluster-scripts.ts'),
]);
await startCluster({ onFile: CLUSTER, onEtcd: CLUSTER_ON_ETCD }, process.argv.slice(2), signals);
