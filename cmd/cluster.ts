/** `npm run cluster`: two groups of two nodes on this machine; its code is in `cmd/cluster/`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const [{ startCluster }, { GROUPS, GROUPS_ON_ETCD }] = await Promise.all([
  import('./cluster/start-cluster.ts'),
  import('./cluster/cluster-scripts.ts'),
]);
await startCluster({ onFile: GROUPS, onEtcd: GROUPS_ON_ETCD }, process.argv.slice(2), signals);
