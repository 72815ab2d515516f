/** `npm start`: a master and two replicas on this machine; its code is in `cmd/group/`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { startGroup } = await import('./group/start-group.ts');
await startGroup(process.argv.slice(2), signals);
