/**
 * The server of a gateway: an edge with the keys of a whole cluster. It knows ports and nothing
 * behind them. Rejects with `ServerAddressError` where the address cannot be bound.
 */
import type { GatewayPort } from '#cluster/gateway-port.ts';
import type { KeyValuePort } from '#model/ports.ts';
import type { RelayPort } from '#model/relay.ts';
import { type EdgeOptions, openEdge, type RunningServer } from '#rpc/open-edge.ts';
import { registerGatewayMetrics } from '#server/gateway-metrics.ts';
import { type ClusterReads, createGatewayModules } from '#server/gateway-modules.ts';
import { createGatewayPage } from '#server/gateway-page.ts';
import { createKeyModules } from '#server/key-modules.ts';

export interface GatewayServerOptions extends Omit<EdgeOptions, 'owner' | 'modules'> {
  readonly gateway: GatewayPort;
  readonly keyValue: KeyValuePort;
  /** Undefined: of the cluster the map alone is shown. */
  readonly reads?: ClusterReads | undefined;
  /** The same keys for calls as bytes; undefined: everything goes through `keyValue`. */
  readonly relay?: RelayPort | undefined;
  /** `server.max_value_bytes` */
  readonly valueBytesMax: number;
  /** `server.max_batch_bytes` */
  readonly batchBytesMax: number;
  readonly version: string;
}

export function openGatewayServer(options: GatewayServerOptions): Promise<RunningServer> {
  const { gateway, reads, clock, metrics, version } = options;
  return openEdge({
    ...options,
    owner: {
      readiness: () => gateway.readiness(),
      // Every call is answered here: no caller is sent to a node.
      leaderHint: () => undefined,
      clusterId: () => gateway.view().clusterId,
      tellsUsers: true,
      whenMapHeard: (epoch) => gateway.whenMapHeard(epoch),
    },
    modules: (edge) => {
      registerGatewayMetrics(metrics, gateway);
      const keys = createKeyModules({ ...options, bulk: undefined }, edge);
      const services = [...keys.services, ...createGatewayModules({ gateway, reads, clock, version })];
      return { services, routes: [...createGatewayPage(gateway, options, edge), ...keys.routes] };
    },
  });
}
