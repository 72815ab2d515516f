/**
 * Links to other nodes over Connect: the production `PeerDialer`.
 *
 * Unary calls go over our own HTTP/2, on two connections: what is short (claims,
 * heartbeats, small pushes) never stands behind a transfer of megabytes. Snapshots go
 * over HTTP/1.1, which has no windows that cap them over a long line. A dead peer shows
 * by the time limit that every call has: a connection on which nothing came since then
 * ends with the call.
 */
import { create, type MessageShape } from '@bufbuild/protobuf';
import { type Client, createClient } from '@connectrpc/connect';
import type { Endpoint } from '#dial/endpoint.ts';
import { Http2Client } from '#dial/http2/http2-client.ts';
import type { AnyUnary } from '#dial/http2/unary-answer.ts';
import { createHttp1Transport } from '#dial/transport.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { WalnutError } from '#model/errors.ts';
import type { SnapshotChunk, SnapshotRequest } from '#model/replication.ts';
import { CallsUnderWay } from '#peer/calls-under-way.ts';
import { notAnAddress, type PeerWay, peerEndpoint } from '#peer/peer-endpoint.ts';
import { toPeerError } from '#peer/peer-errors.ts';
import { UnaryClient } from '#peer/unary-client.ts';
import type { Clock } from '#platform/clock.ts';
import type { CallOptions, PeerDialer, PeerLink } from '#replication/peer-link.ts';
import {
  fromAnnounceRequest,
  fromClaimRequest,
  fromTakeOverRequest,
  toAnnounceAnswer,
  toClaimAnswer,
  toTakeOverAnswer,
} from '#wire/leadership-codec.ts';
import {
  fromObserveRequest,
  fromRegisterObserverRequest,
  toPush,
  toRegisterObserverAnswer,
} from '#wire/observer-codec.ts';
import {
  fromRegisterRequest,
  fromReplicateRequest,
  toRegisterAnswer,
  toReplicateAnswer,
} from '#wire/replication-codec.ts';
import { fromUpdatesCommand, toUpdatesAnswer } from '#wire/scan-codec.ts';
import { toSnapshotChunk } from '#wire/snapshot-codec.ts';
import { toStatus } from '#wire/status-codec.ts';

/** The format's largest record, its header and the message around it. */
const MESSAGE_BYTES_MAX = 64 * 1_024 * 1_024 + 65_536;

export interface PeerDialerOptions extends PeerWay {
  readonly clock: Clock;
}

export function createPeerDialer({ clock, ...way }: PeerDialerOptions): PeerDialer {
  return {
    dial: (address) => {
      const endpoint = peerEndpoint(address, way);
      return endpoint === undefined ? deadLink(address) : dial(clock, endpoint);
    },
  };
}

function dial(clock: Clock, endpoint: Endpoint): PeerLink {
  const address = endpoint.text;
  const streams = createHttp1Transport(endpoint, MESSAGE_BYTES_MAX);
  const replication = createClient(Replication, streams.transport);
  const calls = new CallsUnderWay(clock, address);
  const [short, bulk] = [new Http2Client(endpoint, clock), new Http2Client(endpoint, clock)];
  const client = new UnaryClient({ calls, endpoint, short, bulk, bytesMax: MESSAGE_BYTES_MAX });

  const unary = async <M extends AnyUnary, T>(
    method: M,
    message: MessageShape<M['input']>,
    toAnswer: (message: MessageShape<M['output']>) => T,
    options: CallOptions,
    isBulk = false,
  ): Promise<T> => {
    const answer = await client.call(method, message, options, isBulk);
    try {
      return toAnswer(answer);
    } catch (error) {
      throw toPeerError(error, address);
    }
  };

  return {
    register: (request, options) =>
      request.isObserver === true
        ? unary(
            Replication.method.registerObserver,
            fromRegisterObserverRequest(request),
            toRegisterObserverAnswer,
            options,
          )
        : unary(Replication.method.register, fromRegisterRequest(request), toRegisterAnswer, options),
    observe: (request, options) =>
      unary(Replication.method.observe, fromObserveRequest(request), toPush, options),
    replicate: (request, options) =>
      unary(Replication.method.replicate, fromReplicateRequest(request), toReplicateAnswer, options),
    getUpdates: (command, options) =>
      unary(KVStore.method.getUpdates, fromUpdatesCommand(command), toUpdatesAnswer, options, true),
    claim: (request, options) =>
      unary(Replication.method.claim, fromClaimRequest(request), toClaimAnswer, options),
    announce: (request, options) =>
      unary(Replication.method.announce, fromAnnounceRequest(request), toAnnounceAnswer, options),
    takeOver: (request, options) =>
      unary(Replication.method.takeOver, fromTakeOverRequest(request), toTakeOverAnswer, options),
    status: (options) => unary(Admin.method.status, create(Admin.method.status.input), toStatus, options),
    fetchSnapshot: (request, options) => fetchSnapshot(replication, request, calls, options, address),
    close: () => {
      calls.close();
      streams.close();
      short.close();
      bulk.close();
    },
  };
}

/** A link to an address that cannot be dialled: every call rejects. */
function deadLink(address: string): PeerLink {
  const refuse = async (): Promise<never> => {
    throw new WalnutError('unavailable', notAnAddress(address));
  };
  return {
    register: refuse,
    replicate: refuse,
    observe: refuse,
    getUpdates: refuse,
    claim: refuse,
    announce: refuse,
    takeOver: refuse,
    status: refuse,
    fetchSnapshot: () => ({ [Symbol.asyncIterator]: () => ({ next: refuse }) }),
    close: () => undefined,
  };
}

async function* fetchSnapshot(
  replication: Client<typeof Replication>,
  request: SnapshotRequest,
  calls: CallsUnderWay,
  options: CallOptions,
  address: string,
): AsyncIterable<SnapshotChunk> {
  const refusal = calls.refusal(options);
  if (refusal !== undefined) throw refusal;
  const reading = new AbortController();
  const call = calls.begin(options, () => reading.abort());
  try {
    for await (const message of replication.fetchSnapshot(request, { signal: reading.signal })) {
      // The time the reader takes for a chunk is not the peer's.
      call.pause();
      yield toSnapshotChunk(message);
      call.resume();
    }
  } catch (error) {
    throw call.error ?? toPeerError(error, address);
  } finally {
    call.finish();
    // A reader that stops early must not leave the peer sending.
    reading.abort();
  }
}
