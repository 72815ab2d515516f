/** The shard map from coordinators over Connect: the `MapSource` of gateways. */
import { type Client, createClient } from '@connectrpc/connect';
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
import { askMap, followMap } from '#wire/map-calls.ts';

export interface MapLinksOptions extends PeerWay {
  readonly clock: Clock;
}

interface Link {
  readonly client: Client<typeof Coordinator>;
  close(): void;
}

/** How long a coordinator has for what people look at, who wait for it, milliseconds: each answers from memory. */
const LOOK_MS = 1_000;

export class MapLinks implements MapSource {
  readonly #options: MapLinksOptions;
  readonly #links = new LinksByAddress<Link>((address) => this.#dial(address));

  constructor(options: MapLinksOptions) {
    this.#options = options;
  }

  ask(address: string, clusterId: string, epoch: number): Promise<MapNews> {
    return askMap(this.#clientOf(address), clusterId, epoch);
  }

  getCluster(address: string): Promise<GetClusterResponse> {
    return this.#clientOf(address).getCluster({}, { timeoutMs: LOOK_MS });
  }

  listNodes(address: string): Promise<ListNodesResponse> {
    return this.#clientOf(address).listNodes({}, { timeoutMs: LOOK_MS });
  }

  follow(address: string, clusterId: string, epoch: number, signal: AbortSignal): AsyncGenerator<MapNews> {
    return followMap(this.#clientOf(address), clusterId, epoch, signal);
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
