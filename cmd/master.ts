/** The master binary: `walnut-master --config configs/master.yaml`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { runNode } = await import('./node/run-node.ts');
await runNode('master', process.argv.slice(2), signals);
