/**
 * The standard gRPC health service. It tells readiness, as `/readyz` does: the
 * server as a whole and each of Walnut's services are SERVING together.
 */
import { Code, ConnectError } from '@connectrpc/connect';
import {
  Health,
  type HealthCheckResponse,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from '#gen/grpc/health/v1/health_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { createRpcModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';

/** How often a Watch looks. */
export const WATCH_INTERVAL_MS = 500;

export interface HealthServiceOptions {
  readonly clock: Clock;
  readonly isReady: () => boolean;
  /** Full names, beside the empty one. */
  readonly services: readonly string[];
  /** Ends every Watch. */
  readonly drainSignal: AbortSignal;
}

export function createHealthModule(options: HealthServiceOptions): RpcModule {
  const names = new Set(['', ...options.services]);
  const statusOf = (service: string): HealthCheckResponse => {
    if (!names.has(service))
      return { $typeName: 'grpc.health.v1.HealthCheckResponse', status: ServingStatus.SERVICE_UNKNOWN };
    const status = options.isReady() ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
    return { $typeName: 'grpc.health.v1.HealthCheckResponse', status };
  };
  const rules = { limits: FEW };
  return createRpcModule(Health, {
    check: {
      ...rules,
      impl: ({ service }) => {
        if (names.has(service)) return statusOf(service);
        const known = options.services.join(', ');
        throw new ConnectError(`unknown service: expected one of ${known}, or none`, Code.NotFound);
      },
    },
    list: {
      ...rules,
      impl: () => ({ statuses: Object.fromEntries([...names].map((name) => [name, statusOf(name)])) }),
    },
    watch: {
      ...rules,
      impl: ({ service }, { signal }) => {
        const ended = AbortSignal.any([signal, options.drainSignal]);
        return watch(options.clock, () => statusOf(service), ended);
      },
    },
  });
}

/** The status now and at every change, until `signal` aborts; then a last change, if there is one. */
async function* watch(
  clock: Clock,
  read: () => HealthCheckResponse,
  signal: AbortSignal,
): AsyncIterable<HealthCheckResponse> {
  let told = read();
  yield told;
  for (;;) {
    await clock.sleep(WATCH_INTERVAL_MS, signal);
    const now = read();
    if (now.status !== told.status) {
      told = now;
      yield now;
    }
    if (signal.aborted) return;
  }
}
