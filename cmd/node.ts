/** The binary of a member of a cluster: `walnut-node --config configs/node-1.yaml`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { runNode } = await import('./node/run-node.ts');
await runNode('node', process.argv.slice(2), signals);
