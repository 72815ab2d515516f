/**
 * The server of a coordinator: an edge with the service Coordinator and `/v1/map`. It
 * knows the port and nothing behind it. Rejects with `ServerAddressError` where the
 * address cannot be bound.
 */
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import { type EdgeOptions, openEdge, type RunningServer } from '#rpc/open-edge.ts';
import { registerCoordinatorMetrics } from '#server/coordinator-metrics.ts';
import { createCoordinatorPage } from '#server/coordinator-page.ts';
import { createCoordinatorModule } from '#server/coordinator-service.ts';
import { createMapRoute } from '#server/map-route.ts';

export interface CoordinatorServerOptions extends Omit<EdgeOptions, 'owner' | 'modules'> {
  readonly port: number;
  readonly coordinator: CoordinatorPort;
  readonly version: string;
}

export function openCoordinatorServer(options: CoordinatorServerOptions): Promise<RunningServer> {
  const { coordinator, metrics, version } = options;
  return openEdge({
    ...options,
    owner: {
      readiness: () => coordinator.readiness(),
      // Reads are answered here, so that no caller is sent elsewhere by the edge itself.
      leaderHint: () => undefined,
    },
    modules: (edge) => {
      registerCoordinatorMetrics(metrics, coordinator);
      return {
        services: [createCoordinatorModule({ port: coordinator, version })],
        routes: [
          ...createCoordinatorPage(coordinator, options, edge),
          createMapRoute(coordinator, edge.errors),
        ],
      };
    },
  });
}
