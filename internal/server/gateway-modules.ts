/**
 * What a gateway serves of Admin and Coordinator: the cluster as a whole. It answers for no single node,
 * so the rest of Admin is refused with what to ask instead, and it changes no map, so the rest of
 * Coordinator is refused with the address of the active one.
 */
import type { GatewayPort } from '#cluster/gateway-port.ts';
import { Admin, type StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import {
  Coordinator,
  type GetClusterResponse,
  type ListNodesResponse,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { NodeState } from '#gen/walnut/v1/types_pb.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import { createPartialModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';
import { fromMapNews } from '#wire/map-news-codec.ts';
import { clusterOfMap, nodesOfMap } from '#wire/map-views.ts';
import { toSafeNumber } from '#wire/numbers.ts';

/** What coordinators say, passed on as it is. Undefined: none answers. */
export interface ClusterReads {
  getCluster(): Promise<GetClusterResponse | undefined>;
  listNodes(): Promise<ListNodesResponse | undefined>;
}

export interface GatewayModulesOptions {
  readonly gateway: GatewayPort;
  /** Undefined: the map alone is shown. */
  readonly reads: ClusterReads | undefined;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly version: string;
}

const BY_FAILOVER = 'a coordinator decides who leads. Use: walnut cluster failover GROUP';
const BY_MAP = 'its map lists the nodes of each group: see walnut cluster map';
/** Members refuse these, too: what there is in a cluster. */
const INSTEAD: Readonly<Record<string, string>> = {
  Promote: BY_FAILOVER,
  Failover: BY_FAILOVER,
  AddReplica: BY_MAP,
  RemoveReplica: BY_MAP,
};

export function createGatewayModules(options: GatewayModulesOptions): RpcModule[] {
  const startedMs = options.clock.monotonicMs();
  return [createAdmin(options, startedMs), createCoordinator(options)];
}

function createAdmin(options: GatewayModulesOptions, startedMs: number): RpcModule {
  const status = { limits: FEW, impl: () => statusOf(options, startedMs) };
  return createPartialModule(Admin, { status }, async ({ name }) => {
    const other = INSTEAD[name];
    const why =
      other === undefined
        ? `a gateway has neither a log nor a store: call ${name} at a node; walnut cluster nodes lists them with their addresses`
        : `${name} is not for a cluster: ${other}`;
    return new WalnutError('failed_precondition', why, { nothingDone: true });
  });
}

async function statusOf(
  options: GatewayModulesOptions,
  startedMs: number,
): Promise<Pick<StatusResponse, 'state' | 'ready' | 'reasons' | 'uptimeMs' | 'version' | 'cluster'>> {
  const { gateway, clock, version } = options;
  const cluster = await clusterOf(options);
  const { isReady, reasons } = gateway.readiness();
  return {
    state: gateway.map === undefined ? NodeState.LOADING : NodeState.SERVING,
    ready: isReady,
    reasons: [...reasons],
    uptimeMs: BigInt(Math.round(clock.monotonicMs() - startedMs)),
    ...{ version, cluster },
  };
}

function createCoordinator(options: GatewayModulesOptions): RpcModule {
  const { gateway, reads } = options;
  const served = {
    getCluster: { limits: FEW, impl: () => clusterOf(options) },
    listNodes: { limits: FEW, impl: async () => (await reads?.listNodes()) ?? nodesOfMap(gateway.map) },
    getShardMap: {
      limits: FEW,
      impl: ({ clusterId, knownEpoch }: { readonly clusterId: string; readonly knownEpoch: bigint }) => {
        const { map } = gateway;
        if (map === undefined)
          throw unavailable('there is no map of the cluster yet: no coordinator has answered');
        const { epoch } = map;
        const isKnown = clusterId === map.clusterId && toSafeNumber(knownEpoch, 'known_epoch') === epoch;
        return fromMapNews(isKnown ? { kind: 'unchanged', epoch } : { kind: 'whole', map, epoch });
      },
    },
  };
  return createPartialModule(Coordinator, served, async ({ name }) => {
    const active = (await reads?.getCluster())?.activeCoordinator ?? '';
    const where = active === '' ? 'a coordinator' : `the coordinator at ${active}`;
    return new WalnutError('failed_precondition', `a gateway does not answer ${name}: call ${where}`, {
      nothingDone: true,
      ...(active === '' ? {} : { leaderHint: active }),
    });
  });
}

async function clusterOf({ gateway, reads, version }: GatewayModulesOptions): Promise<GetClusterResponse> {
  return (await reads?.getCluster()) ?? clusterOfMap(gateway.map, version);
}
