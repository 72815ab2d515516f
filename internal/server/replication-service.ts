/** Replication over Connect. */
import { type FetchSnapshotResponse, Replication } from '#gen/walnut/v1/replication_pb.ts';
import type { ReplicationPort } from '#model/ports.ts';
import type { SnapshotRequest } from '#model/replication.ts';
import { callOf } from '#rpc/rpc-call.ts';
import { createRpcModule, FEW, type RpcModule } from '#rpc/rpc-routes.ts';
import { FRAMES, OBSERVED } from '#server/message-limits.ts';
import {
  fromAnnounceAnswer,
  fromClaimAnswer,
  fromTakeOverAnswer,
  toAnnounceRequest,
  toClaimRequest,
  toTakeOverRequest,
} from '#wire/leadership-codec.ts';
import {
  fromPush,
  fromRegisterObserverAnswer,
  toObserveRequest,
  toRegisterObserverRequest,
} from '#wire/observer-codec.ts';
import {
  fromRegisterAnswer,
  fromReplicateAnswer,
  toRegisterRequest,
  toReplicateRequest,
} from '#wire/replication-codec.ts';
import { fromSnapshotChunk, toSnapshotRequest } from '#wire/snapshot-codec.ts';

export function createReplicationModule(port: ReplicationPort): RpcModule {
  return createRpcModule(Replication, {
    register: {
      limits: FEW,
      impl: async (request, { values }) => {
        const { peer, principal } = callOf(values);
        return fromRegisterAnswer(
          await port.register(toRegisterRequest(request), peer.remoteAddress, principal.retired),
        );
      },
    },
    replicate: {
      limits: FRAMES,
      impl: async (request) => fromReplicateAnswer(await port.replicate(toReplicateRequest(request))),
    },
    registerObserver: {
      limits: FEW,
      impl: async (request, { values }) => {
        const { peer, principal } = callOf(values);
        const registration = toRegisterObserverRequest(request);
        return fromRegisterObserverAnswer(
          await port.register(registration, peer.remoteAddress, principal.retired),
        );
      },
    },
    observe: {
      limits: OBSERVED,
      impl: async (request, { values, signal }) => {
        const { remoteAddress } = callOf(values).peer;
        return fromPush(await port.observe(toObserveRequest(request), remoteAddress, signal));
      },
    },
    fetchSnapshot: {
      limits: FEW,
      impl: (request, { signal }) => snapshot(port, toSnapshotRequest(request), signal),
    },
    claim: {
      limits: FEW,
      impl: async (request) => fromClaimAnswer(await port.claim(toClaimRequest(request))),
    },
    announce: {
      limits: FEW,
      impl: async (request, { values }) =>
        fromAnnounceAnswer(
          await port.announce(toAnnounceRequest(request), callOf(values).peer.remoteAddress),
        ),
    },
    takeOver: {
      limits: FEW,
      impl: async (request) => fromTakeOverAnswer(await port.takeOver(toTakeOverRequest(request))),
    },
  });
}

async function* snapshot(
  port: ReplicationPort,
  request: SnapshotRequest,
  signal: AbortSignal,
): AsyncIterable<FetchSnapshotResponse> {
  for await (const chunk of port.fetchSnapshot(request, signal)) yield fromSnapshotChunk(chunk);
}
