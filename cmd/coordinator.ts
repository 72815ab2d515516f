/** The coordinator binary: `walnut-coordinator --config configs/coordinator.yaml`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { runCoordinator } = await import('./coordinator/run-coordinator.ts');
await runCoordinator(process.argv.slice(2), signals);
