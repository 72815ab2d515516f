/** The slave binary, a replica: `walnut-slave --config configs/slave-1.yaml`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { runNode } = await import('./node/run-node.ts');
await runNode('slave', process.argv.slice(2), signals);
