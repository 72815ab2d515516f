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
import { createKeysListRoute } from '#server/keys-list-route.ts';
import { createKeysRoute } from '#server/keys-route.ts';
import type { KeysRouteOptions } from '#server/keys-serve.ts';
import { createKeysViews } from '#server/keys-views.ts';
import { createKeyValueModule } from '#server/kv-service.ts';
import { createMemberModule } from '#server/member-service.ts';
import { createKeysObserver, registerNodeMetrics } from '#server/node-metrics.ts';
import { createNodePage } from '#server/node-page.ts';
import { createReplicationModule } from '#server/replication-service.ts';
import { createWatchRoute } from '#server/watch-route.ts';

export type { RunningServer };

export interface ServerOptions extends Omit<EdgeOptions, 'owner' | 'modules'> {
  readonly ports: NodePorts;
  /** On a member of a cluster: what the active coordinator asks of it. */
  readonly member?: MemberPort | undefined;
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
    owner: createNodeOwner(options.ports),
    modules: (edge) => createNodeModules(options, edge),
  });
}

function createNodeOwner({ admin }: NodePorts): EdgeOwner {
  return {
    readiness: () => admin.status(),
    leaderHint: () => admin.status().upstream?.address || undefined,
  };
}

/** The services and routes of a node. */
export function createNodeModules(options: ServerOptions, edge: Edge): EdgeModules {
  const { ports, metrics, valueBytesMax, batchBytesMax } = options;
  const { errors } = edge;
  const status = (): NodeStatus => shownStatus(ports.admin.status(), edge.isDraining());
  const describe = (error: unknown): { code: string; message: string } => errors.toHttpError(error);
  registerNodeMetrics(metrics, status);
  const keys = createKeysOptions(options, edge);
  return {
    services: [
      createKeyValueModule({
        port: ports.keyValue,
        views: keys.views,
        slices: edge.slices,
        bulk: ports.bulk,
        limits: { valueBytesMax, answerBytesMax: batchBytesMax },
        batchBytesMax,
        describe,
      }),
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
        describe,
      }),
    ],
    routes: [
      createNodePage(status, options.version),
      createKeysRoute(keys),
      createKeysListRoute(keys),
      createWatchRoute({ ...edge, port: ports.keyValue, views: keys.views }),
    ],
  };
}

function createKeysOptions(
  { ports, clock, metrics, valueBytesMax }: ServerOptions,
  edge: Edge,
): KeysRouteOptions {
  return {
    port: ports.keyValue,
    views: createKeysViews(ports.keyValue, clock, edge.slices),
    errors: edge.errors,
    clock,
    budget: edge.budget,
    compression: edge.compression,
    boundAnswer: edge.boundAnswer,
    valueBytesMax,
    observe: createKeysObserver(metrics),
    slowLog: edge.slowLog,
  };
}

function shownStatus(status: NodeStatus, isDraining: boolean): NodeStatus {
  if (!isDraining) return status;
  return { ...status, ...DRAINING, reasons: [DRAINING_REASON, ...status.reasons] };
}
