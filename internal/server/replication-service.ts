/** Replication over Connect. */
import { type FetchSnapshotResponse, Replication } from '#gen/walnut/v1/replication_pb.ts';
import type { ReplicationPort } from '#model/ports.ts';
import type { SnapshotRequest } from '#model/replication.ts';
import type { MessageLimits } from '#server/message-limits.ts';
import { callOf } from '#server/rpc-call.ts';
import type { RpcRoutes } from '#server/rpc-routes.ts';
import {
  fromAnnounceAnswer,
  fromClaimAnswer,
  fromTakeOverAnswer,
  toAnnounceRequest,
  toClaimRequest,
  toTakeOverRequest,
} from '#wire/leadership-codec.ts';
import {
  fromRegisterAnswer,
  fromReplicateAnswer,
  toRegisterRequest,
  toReplicateRequest,
} from '#wire/replication-codec.ts';
import { fromSnapshotChunk, toSnapshotRequest } from '#wire/snapshot-codec.ts';

export function routeReplication(
  routes: RpcRoutes,
  port: ReplicationPort,
  messages: MessageLimits['replication'],
): void {
  const { method } = Replication;
  routes
    .unary(
      method.register,
      async (request, { values }) =>
        fromRegisterAnswer(await port.register(toRegisterRequest(request), callOf(values).remoteAddress)),
      messages.register,
    )
    .unary(
      method.replicate,
      async (request) => fromReplicateAnswer(await port.replicate(toReplicateRequest(request))),
      messages.replicate,
    )
    .stream(
      method.fetchSnapshot,
      (request, { signal }) => snapshot(port, toSnapshotRequest(request), signal),
      messages.fetchSnapshot,
    )
    .unary(
      method.claim,
      async (request) => fromClaimAnswer(await port.claim(toClaimRequest(request))),
      messages.claim,
    )
    .unary(
      method.announce,
      async (request, { values }) =>
        fromAnnounceAnswer(await port.announce(toAnnounceRequest(request), callOf(values).remoteAddress)),
      messages.announce,
    )
    .unary(
      method.takeOver,
      async (request) => fromTakeOverAnswer(await port.takeOver(toTakeOverRequest(request))),
      messages.takeOver,
    );
}

async function* snapshot(
  port: ReplicationPort,
  request: SnapshotRequest,
  signal: AbortSignal,
): AsyncIterable<FetchSnapshotResponse> {
  for await (const chunk of port.fetchSnapshot(request, signal)) yield fromSnapshotChunk(chunk);
}
