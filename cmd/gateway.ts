/** The gateway binary: `walnut-gateway --config configs/gateway.yaml`. */
import { listenEarly } from '#platform/early-signals.ts';

const signals = listenEarly();
const { runGateway } = await import('./gateway/run-gateway.ts');
await runGateway(process.argv.slice(2), signals);
