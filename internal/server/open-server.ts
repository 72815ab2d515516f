/**
 * The server of a node: an edge with the node's services and routes. It knows the
 * ports of the model and nothing behind them. Rejects with `ServerAddressError` where
 * the address cannot be bound.
 */
import type { MemberPort } from '#cluster/member-port.ts';
import type { EdgeOwner } from '#model/edge.ts';
import type { NodePorts } from '#model/ports.ts';
import type { SettingsPort } from '#model/settings.ts';
import type { NodeStatus } from '#model/status.ts';
import {
  DRAINING,
  DRAINING_REASON,
  type Edge,
  type EdgeModules,
  type EdgeOptions,
  openEdge,
  type RunningServer,
} from '#rpc/open-edge.ts';
import { createAdminModule } from '#server/admin-service.ts';
import { createKeyModules } from '#server/key-modules.ts';
import { createMemberModule } from '#server/member-service.ts';
import { registerNodeMetrics } from '#server/node-metrics.ts';
import { createNodePage } from '#server/node-page.ts';
import { createReplicationModule } from '#server/replication-service.ts';

export type { RunningServer };

export interface ServerOptions extends Omit<EdgeOptions, 'owner' | 'modules'> {
  readonly ports: NodePorts;
  /** On a member of a cluster: what the active coordinator asks of it. */
  readonly member?: MemberPort | undefined;
  /** On a member of a cluster: the id of that; empty while there is none. */
  readonly clusterId?: (() => string) | undefined;
  /** On a member of a cluster: the id of its group; empty while there is none. */
  readonly group?: (() => string) | undefined;
  /** `server.max_value_bytes` */
  readonly valueBytesMax: number;
  /** `server.max_batch_bytes`: one Batch as sent, and the values in one Batch answer. */
  readonly batchBytesMax: number;
  readonly version: string;
  readonly settings: SettingsPort;
}

export function openServer(options: ServerOptions): Promise<RunningServer> {
  return openEdge({
    ...options,
    owner: createNodeOwner(options),
    modules: (edge) => createNodeModules(options, edge),
  });
}

function createNodeOwner({ ports: { admin, whenMapHeard }, clusterId }: ServerOptions): EdgeOwner {
  return {
    readiness: () => admin.status(),
    leaderHint: () => admin.status().upstream?.address || undefined,
    clusterId: () => clusterId?.() ?? '',
    ...(whenMapHeard === undefined ? {} : { whenMapHeard }),
  };
}

/** The services and routes of a node. */
function createNodeModules(options: ServerOptions, edge: Edge): EdgeModules {
  const { ports, metrics, valueBytesMax, batchBytesMax } = options;
  const status = (): NodeStatus => shownStatus(ports.admin.status(), edge.isDraining());
  registerNodeMetrics(metrics, status);
  const { keyValue, bulk } = ports;
  const keys = createKeyModules({ ...options, keyValue, bulk, isMember: options.member !== undefined }, edge);
  return {
    services: [
      ...keys.services,
      createReplicationModule(ports.replication),
      ...(options.member === undefined ? [] : [createMemberModule(options.member)]),
      createAdminModule({
        port: ports.admin,
        clock: options.clock,
        slices: edge.slices,
        slowLog: edge.slowLog,
        settings: options.settings,
        status,
        valueBytesMax,
        batchBytesMax,
        describe: (error) => edge.errors.toHttpError(error),
      }),
    ],
    routes: [...createNodePage(status, () => ports.admin.latestAccess(), options, edge), ...keys.routes],
  };
}

function shownStatus(status: NodeStatus, isDraining: boolean): NodeStatus {
  if (!isDraining) return status;
  return { ...status, ...DRAINING, reasons: [DRAINING_REASON, ...status.reasons] };
}
