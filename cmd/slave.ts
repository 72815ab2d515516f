/** The slave binary, a replica: `walnut-slave --config configs/slave-1.yaml`. */
import { runNode } from './node/run-node.ts';

await runNode('replica', 'walnut-slave', process.argv.slice(2));
