/** The shard map from coordinators, as a client calls them. */
import { createClient } from '@connectrpc/connect';
import type { MapNews } from '#cluster/coordinator-port.ts';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import type { MapSource } from '#routing/map-follower.ts';
import { askMap, followMap, type MapClient } from '#wire/map-calls.ts';

export class ClientMapLinks implements MapSource {
  readonly #links = new Map<string, { readonly client: MapClient; readonly close: () => void }>();

  /** Throws INVALID_ARGUMENT for an address that `open` does not take. */
  constructor(open: (address: string) => ClosableTransport, coordinators: readonly string[]) {
    for (const address of coordinators) {
      const { transport, close } = open(address);
      this.#links.set(address, { client: createClient(Coordinator, transport), close });
    }
  }

  ask(address: string, clusterId: string, epoch: number): Promise<MapNews> {
    return askMap(this.#clientOf(address), clusterId, epoch);
  }

  follow(address: string, clusterId: string, epoch: number, signal: AbortSignal): AsyncGenerator<MapNews> {
    return followMap(this.#clientOf(address), clusterId, epoch, signal);
  }

  close(): void {
    for (const { close } of this.#links.values()) close();
  }

  #clientOf(address: string): MapClient {
    return (this.#links.get(address) as { client: MapClient }).client;
  }
}
