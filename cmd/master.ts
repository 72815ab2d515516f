/** The master binary: `walnut-master --config configs/master.yaml`. */
import { runNode } from './node/run-node.ts';

await runNode('master', 'walnut-master', process.argv.slice(2));
