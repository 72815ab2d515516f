/**
 * The shard map from coordinators over Connect: the production `MapSource`. A process that is
 * no coordinator is named as such.
 */
import { type Client, Code, ConnectError, createClient } from '@connectrpc/connect';
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import {
  Coordinator,
  type GetClusterResponse,
  type ListNodesResponse,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { LinksByAddress } from '#peer/links-by-address.ts';
import { notAnAddress, type PeerWay, peerEndpoint } from '#peer/peer-endpoint.ts';
import type { Clock } from '#platform/clock.ts';
import type { MapSource } from '#routing/map-follower.ts';
import { toMapNews } from '#wire/coordinator-codec.ts';

export interface MapLinksOptions extends PeerWay {
  readonly clock: Clock;
}

interface Link {
  readonly client: Client<typeof Coordinator>;
  close(): void;
}

/** How long a coordinator has for an answer, milliseconds. */
const ASK_MS = 2_000;
/** The same for what people look at, who wait for it: each answers from memory. */
const LOOK_MS = 1_000;

export class MapLinks implements MapSource {
  readonly #options: MapLinksOptions;
  readonly #links = new LinksByAddress<Link>((address) => this.#dial(address));

  constructor(options: MapLinksOptions) {
    this.#options = options;
  }

  async ask(address: string, clusterId: string, epoch: number): Promise<MapNews> {
    try {
      const request = { clusterId, knownEpoch: BigInt(epoch) };
      return toMapNews(await this.#clientOf(address).getShardMap(request, { timeoutMs: ASK_MS }));
    } catch (error) {
      throw explained(error);
    }
  }

  getCluster(address: string): Promise<GetClusterResponse> {
    return this.#clientOf(address).getCluster({}, { timeoutMs: LOOK_MS });
  }

  listNodes(address: string): Promise<ListNodesResponse> {
    return this.#clientOf(address).listNodes({}, { timeoutMs: LOOK_MS });
  }

  async *follow(
    address: string,
    clusterId: string,
    epoch: number,
    signal: AbortSignal,
  ): AsyncGenerator<MapNews> {
    try {
      const request = { clusterId, fromEpoch: BigInt(epoch) };
      for await (const message of this.#clientOf(address).watchShardMap(request, { signal }))
        yield toMapNews(message);
    } catch (error) {
      throw explained(error);
    }
  }

  close(): void {
    this.#links.close();
  }

  #clientOf(address: string): Client<typeof Coordinator> {
    return this.#links.to(address).client;
  }

  #dial(address: string): Link {
    const endpoint = peerEndpoint(address, this.#options);
    if (endpoint === undefined) throw new Error(notAnAddress(address));
    const { transport, close }: ClosableTransport = createOwnTransport(endpoint, this.#options.clock);
    return { client: createClient(Coordinator, transport), close };
  }
}

/** Nodes do not have the service. */
function explained(error: unknown): Error {
  const { code, rawMessage } = ConnectError.from(error);
  if (code !== Code.Unimplemented) return new Error(rawMessage, { cause: error });
  const why =
    'it is no coordinator: expected the address of one, such as 127.0.0.1:8070, and not that of a node';
  return new Error(why, { cause: error });
}
