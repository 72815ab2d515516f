/** Coordinator over Connect. */
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import {
  Coordinator,
  type WatchShardMapRequest,
  type WatchShardMapResponse,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { completeAddress } from '#model/address.ts';
import { unavailable } from '#model/errors.ts';
import { callOf } from '#rpc/rpc-call.ts';
import { createRpcModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';
import { HEARTBEAT, SHARD_MAP } from '#server/message-limits.ts';
import {
  fromClusterView,
  fromInitAnswer,
  fromNodesView,
  fromRecoveryPlan,
  toAddGroup,
  toClusterPlan,
  toFailoverGroup,
  toForcedGroup,
  toSetNodeStatus,
} from '#wire/coordinator-codec.ts';
import { fromHeartbeatAnswer, toHeartbeat } from '#wire/heartbeat-codec.ts';
import { fromMapNews } from '#wire/map-news-codec.ts';
import { toSafeNumber } from '#wire/numbers.ts';

/** The longest silence on a stream of the map, milliseconds. */
const MARK_MS = 5_000;

export interface CoordinatorModuleOptions {
  readonly port: CoordinatorPort;
  readonly version: string;
}

export function createCoordinatorModule({ port, version }: CoordinatorModuleOptions): RpcModule {
  return createRpcModule(Coordinator, {
    heartbeat: {
      limits: HEARTBEAT,
      impl: async (request, { values }) => {
        const stated = toHeartbeat(request);
        const address = completeAddress(stated.address, callOf(values).peer.remoteAddress);
        return fromHeartbeatAnswer(await port.heartbeat({ ...stated, address }));
      },
    },
    getShardMap: {
      limits: FEW,
      impl: ({ clusterId, knownEpoch }) =>
        fromMapNews(port.newsFor(clusterId, toSafeNumber(knownEpoch, 'known_epoch'))),
    },
    watchShardMap: { limits: FEW, impl: (request, { signal }) => watch(port, request, signal) },
    getCluster: { limits: FEW, impl: () => fromClusterView(port.cluster(), version) },
    listNodes: { limits: FEW, impl: () => fromNodesView(port.nodes()) },
    initCluster: {
      limits: SHARD_MAP,
      impl: async (request) => fromInitAnswer(await port.initCluster(toClusterPlan(request))),
    },
    addGroup: {
      limits: SHARD_MAP,
      impl: async (request) => ({ epoch: BigInt(await port.addGroup(toAddGroup(request))) }),
    },
    recoverCluster: {
      limits: FEW,
      impl: async (request) => {
        const plan = await port.recover(toForcedGroup(request), request.apply);
        return fromRecoveryPlan(plan, request.apply);
      },
    },
    failoverGroup: {
      limits: FEW,
      impl: async (request) => {
        const { group, to } = toFailoverGroup(request);
        const planned = await port.failoverGroup(group, to);
        return { epoch: BigInt(planned.epoch), to: planned.to };
      },
    },
    setNodeStatus: {
      limits: FEW,
      impl: async (request) => {
        const { node, status } = toSetNodeStatus(request);
        return { epoch: BigInt(await port.setNodeStatus(node, status)) };
      },
    },
  });
}

/** The map, then its changes. Ends where the coordinator no longer learns of changes: another one may. */
async function* watch(
  port: CoordinatorPort,
  request: WatchShardMapRequest,
  signal: AbortSignal,
): AsyncIterable<WatchShardMapResponse> {
  let { clusterId } = request;
  let epoch = toSafeNumber(request.fromEpoch, 'from_epoch');
  while (!signal.aborted) {
    const news = port.newsFor(clusterId, epoch);
    yield { $typeName: 'walnut.v1.WatchShardMapResponse', ...fromMapNews(news) };
    if (news.kind === 'whole') clusterId = news.map.clusterId;
    epoch = news.epoch;
    await port.nextChange(MARK_MS, signal);
    if (!port.isFollowing())
      throw unavailable('the metadata store does not answer: watch at another coordinator');
  }
}
