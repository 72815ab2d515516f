/** `npm run cluster:ha`: a coordinator and three nodes on this machine; its code is in `cmd/cluster/`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { startCluster } = await import('./cluster/start-cluster.ts');
await startCluster(process.argv.slice(2), signals);
