/** Two groups and a coordinator inside this process, as a client of the cluster sees them. */
import { Code, ConnectError, createRouterTransport, type Transport } from '@connectrpc/connect';
import type { ShardMap } from '#cluster/shard-map.ts';
import { Coordinator } from '#gen/walnut/v1/coordinator_pb.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { fromMapNews } from '#wire/map-news-codec.ts';
import { WalnutClient, type WalnutClientOptions } from '../../client/walnut-client.ts';
import { SimulatedGroup } from './simulated-group.ts';

/** `foo` has slot 12182, `bar` 5061; of two groups the first owns the lower half. */
export const [OF_G1, OF_G2] = ['bar', 'foo'];

const IDS = ['g1', 'g2'];

export class SimulatedCluster {
  readonly clock = new VirtualClock();
  readonly groups: ReadonlyMap<string, SimulatedGroup>;
  map: ShardMap = mapOf(IDS, 1);
  /** False: calls to the coordinator are lost. */
  isCoordinated = true;
  /** Questions for the map, streams included. */
  asked = 0;
  /** What calls of nodes said that they are for: the id of the cluster and an epoch. */
  readonly meant = new Set<string>();

  constructor() {
    this.groups = new Map(IDS.map((id, i) => [id, new SimulatedGroup([`${id}-1:1`, `${id}-2:1`], i + 1)]));
  }

  group(id: string): SimulatedGroup {
    return this.groups.get(id) as SimulatedGroup;
  }

  open(options: Partial<WalnutClientOptions> = {}): WalnutClient {
    const seams = {
      clock: this.clock,
      random: new SeededRandom(1),
      open: (address: string, cluster?: () => { clusterId: string; epoch: number } | undefined) => ({
        transport: this.#transportTo(address, cluster),
        close: () => undefined,
      }),
    };
    return new WalnutClient({ cluster: ['c:1'], ...options }, seams);
  }

  /** Lets time pass until the call is settled; resolves with its result or error. */
  async settled<T>(call: Promise<T>): Promise<T | Error> {
    let isSettled = false;
    const result = call.catch((error: Error) => error).finally(() => (isSettled = true));
    for (let i = 0; i < 20 && !isSettled; i++) await this.clock.settle();
    if (!isSettled) await this.clock.advanceUntil(() => isSettled, 120_000);
    return result;
  }

  #transportTo(
    address: string,
    cluster: (() => { clusterId: string; epoch: number } | undefined) | undefined,
  ): Transport {
    if (address === 'c:1') return this.#coordinator();
    const group = [...this.groups.values()].find(({ addresses }) => addresses.includes(address));
    if (group === undefined) throw new Error(`nobody is at ${address}`);
    const transport = group.transportTo(address);
    return {
      unary: (...call) => {
        const meant = cluster?.();
        if (meant !== undefined) this.meant.add(`${meant.clusterId.slice(0, 1)} ${meant.epoch}`);
        return transport.unary(...call);
      },
      stream: (...call) => transport.stream(...call),
    };
  }

  #coordinator(): Transport {
    const news = () => {
      this.asked++;
      if (!this.isCoordinated) throw new ConnectError('the coordinator is gone', Code.Unavailable);
      return fromMapNews({ kind: 'whole', map: this.map, epoch: this.map.epoch });
    };
    return createRouterTransport(({ rpc }) => {
      rpc(Coordinator.method.getShardMap, () => news());
      // A stream that ends, so that maps are asked for again as after a break.
      rpc(Coordinator.method.watchShardMap, async function* () {
        yield news();
      });
    });
  }
}
