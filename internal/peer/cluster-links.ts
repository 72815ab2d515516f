/**
 * Calls between coordinators and members, over the same HTTP/2 as the calls between
 * nodes. One link is kept for each address until `retain` no longer names it.
 */
import type { MessageShape } from '@bufbuild/protobuf';
import type { Heartbeat, HeartbeatAnswer } from '#cluster/heartbeat.ts';
import type { MemberPort } from '#cluster/member-port.ts';
import { Http2Client } from '#dial/http2/http2-client.ts';
import type { AnyUnary } from '#dial/http2/unary-answer.ts';
import { Member } from '#gen/walnut/cluster/v1/member_pb.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { CallsUnderWay } from '#peer/calls-under-way.ts';
import { LinksByAddress } from '#peer/links-by-address.ts';
import { notAnAddress, type PeerWay, peerEndpoint } from '#peer/peer-endpoint.ts';
import { toPeerError } from '#peer/peer-errors.ts';
import { UnaryClient } from '#peer/unary-client.ts';
import type { Clock } from '#platform/clock.ts';
import { fromHeartbeat, toHeartbeatAnswer } from '#wire/heartbeat-codec.ts';
import {
  fromHandOver,
  fromLeadRequest,
  fromTermClaim,
  toHandOverAnswer,
  toLeadAnswer,
  toTermClaimAnswer,
} from '#wire/member-codec.ts';

/** Far above what any of these answers needs. */
const MESSAGE_BYTES_MAX = 4 * 1_024 * 1_024;
/** How long a claim or a TakeOver may take, milliseconds: a member may have to sync its log first. */
const MEMBER_MS = 2_000;
/** How long a hand-over may take: the other node has to have everything. */
const HAND_OVER_MS = 10_000;
/** How long a heartbeat waits for its answer: later it would lease nothing. */
const HEARTBEAT_MS = 1_500;

export interface ClusterLinksOptions extends PeerWay {
  readonly clock: Clock;
}

interface Link {
  readonly unary: <M extends AnyUnary>(
    method: M,
    message: MessageShape<M['input']>,
    timeoutMs: number,
  ) => Promise<MessageShape<M['output']>>;
  close(): void;
}

/** Every call rejects with `WalnutError`, with `unavailable` where there is no answer. */
export class ClusterLinks {
  readonly #options: ClusterLinksOptions;
  readonly #links = new LinksByAddress<Link>((address) => this.#dial(address));

  constructor(options: ClusterLinksOptions) {
    this.#options = options;
  }

  /** The member at an address. */
  member(address: string): MemberPort {
    const call = <M extends AnyUnary, T>(
      method: M,
      message: MessageShape<M['input']>,
      toAnswer: (message: MessageShape<M['output']>) => T,
      timeoutMs = MEMBER_MS,
    ): Promise<T> => this.#call(address, method, message, toAnswer, timeoutMs);
    const { claim, takeOver, handOver } = Member.method;
    return {
      claim: (request) => call(claim, fromTermClaim(request), toTermClaimAnswer),
      takeOver: (request) => call(takeOver, fromLeadRequest(request), toLeadAnswer),
      handOver: (request) => call(handOver, fromHandOver(request), toHandOverAnswer, HAND_OVER_MS),
    };
  }

  /** Sends a heartbeat to the coordinator at an address. */
  heartbeat(address: string, heartbeat: Heartbeat): Promise<HeartbeatAnswer> {
    const { heartbeat: method } = Coordinator.method;
    return this.#call(address, method, fromHeartbeat(heartbeat), toHeartbeatAnswer, HEARTBEAT_MS);
  }

  /** Closes the links to all addresses but these. */
  retain(addresses: ReadonlySet<string>): void {
    this.#links.retain(addresses);
  }

  close(): void {
    this.#links.close();
  }

  async #call<M extends AnyUnary, T>(
    address: string,
    method: M,
    message: MessageShape<M['input']>,
    toAnswer: (message: MessageShape<M['output']>) => T,
    timeoutMs: number,
  ): Promise<T> {
    const answer = await this.#links.to(address).unary(method, message, timeoutMs);
    try {
      return toAnswer(answer);
    } catch (error) {
      throw toPeerError(error, address);
    }
  }

  #dial(address: string): Link {
    const { clock } = this.#options;
    const endpoint = peerEndpoint(address, this.#options);
    if (endpoint === undefined) throw new WalnutError('unavailable', notAnAddress(address));
    const calls = new CallsUnderWay(clock, address);
    const http2 = new Http2Client(endpoint, clock);
    const client = new UnaryClient({
      calls,
      endpoint,
      short: http2,
      bulk: http2,
      bytesMax: MESSAGE_BYTES_MAX,
    });
    return {
      unary: (method, message, timeoutMs) => client.call(method, message, { timeoutMs }, false),
      close: () => {
        calls.close();
        http2.close();
      },
    };
  }
}
