/**
 * The server of a gateway: an edge with the keys of a whole cluster. It knows ports and nothing
 * behind them. Rejects with `ServerAddressError` where the address cannot be bound.
 */
import type { GatewayPort } from '#cluster/gateway-port.ts';
import type { KeyValuePort } from '#model/ports.ts';
import { sendText } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { type EdgeOptions, openEdge, type RunningServer } from '#rpc/open-edge.ts';
import { answer, TEXT } from '#rpc/openapi/operation.ts';
import { createPlainRoute, pageApi } from '#rpc/plain-routes.ts';
import { registerGatewayMetrics } from '#server/gateway-metrics.ts';
import { createKeyModules } from '#server/key-modules.ts';

export interface GatewayServerOptions extends Omit<EdgeOptions, 'owner' | 'modules'> {
  readonly gateway: GatewayPort;
  readonly keyValue: KeyValuePort;
  /** `server.max_value_bytes` */
  readonly valueBytesMax: number;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly version: string;
}

export function openGatewayServer(options: GatewayServerOptions): Promise<RunningServer> {
  const { gateway, metrics, version } = options;
  return openEdge({
    ...options,
    owner: {
      readiness: () => gateway.readiness(),
      // Every call is answered here: no caller is sent to a node.
      leaderHint: () => undefined,
      clusterId: () => gateway.view().clusterId,
      tellsUsers: true,
    },
    modules: (edge) => {
      registerGatewayMetrics(metrics, gateway);
      const keys = createKeyModules({ ...options, bulk: undefined }, edge);
      return { services: keys.services, routes: [createPage(gateway, version), ...keys.routes] };
    },
  });
}

/** The page at `/`: what this process is, and where to go on. */
function createPage(gateway: GatewayPort, version: string): HttpRoute {
  const api = pageApi('What this process is', { '200': answer('Text', { 'text/plain': TEXT }) });
  return createPlainRoute('/', api, (request, response) => {
    const { state, isReady } = gateway.readiness();
    const text = `Walnut ${version}: the gateway of a cluster
This gateway is ${state}, ${isReady ? 'ready' : 'not ready'}.

/v1/keys/{key}           GET, HEAD, PUT, DELETE one value; ?ttl=30s on PUT, ?explain on GET, POST ?increment=1
/v1/keys?prefix={text}   the entries by prefix, as JSON or NDJSON
/v1/watch?prefix={text}  changes as they happen, as server-sent events
/walnut.v1.KVStore/*     the same and more over Connect, gRPC and gRPC-Web
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
    return sendText(request, response, 200, text);
  });
}
