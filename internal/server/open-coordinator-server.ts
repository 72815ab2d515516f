/**
 * The server of a coordinator: an edge with the service Coordinator and `/v1/map`. It
 * knows the port and nothing behind it. Rejects with `ServerAddressError` where the
 * address cannot be bound.
 */
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import { sendText } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { type EdgeOptions, openEdge, type RunningServer } from '#rpc/open-edge.ts';
import { answer, TEXT } from '#rpc/openapi/operation.ts';
import { createPlainRoute, pageApi } from '#rpc/plain-routes.ts';
import { registerCoordinatorMetrics } from '#server/coordinator-metrics.ts';
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
    modules: ({ errors }) => {
      registerCoordinatorMetrics(metrics, coordinator);
      return {
        services: [createCoordinatorModule({ port: coordinator, version })],
        routes: [createPage(coordinator, version), createMapRoute(coordinator, errors)],
      };
    },
  });
}

/** The page at `/`: what this process is, and where to go on. */
function createPage(coordinator: CoordinatorPort, version: string): HttpRoute {
  const api = pageApi('What this process is', { '200': answer('Text', { 'text/plain': TEXT }) });
  return createPlainRoute('/', api, (request, response) => {
    const { state, isReady } = coordinator.readiness();
    const text = `Walnut ${version}: the coordinator of a cluster
This coordinator is ${state}, ${isReady ? 'ready' : 'not ready'}.

/v1/map                  the map of the cluster, as JSON
/walnut.v1.Coordinator/* the same and more over Connect, gRPC and gRPC-Web
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
    return sendText(request, response, 200, text);
  });
}
