/**
 * A change of the map on its way to all gateways, simulated: one coordinator and so many
 * gateways, each with a call at the group that fails over. Counts messages and the bytes of
 * protobuf in them, both ways. `node bin/launch.cjs test/routing/map-spread.ts [GROUPS GATEWAYS]` prints
 * the figures of docs/gateway.md.
 */
import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import { divideSlots, type Group } from '#cluster/shard-map.ts';
import { slotOfKey } from '#cluster/slot-hash.ts';
import { Catalogue, type MapWrites } from '#coordinator/catalogue.ts';
import { MapFeed } from '#coordinator/map-feed.ts';
import {
  GetShardMapRequestSchema,
  GetShardMapResponseSchema,
  WatchShardMapRequestSchema,
  WatchShardMapResponseSchema,
} from '#gen/walnut/v1/coordinator_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { toLsn } from '#model/position.ts';
import { silentLogger } from '#platform/logger.ts';
import { Gateway } from '#routing/gateway.ts';
import type { MapSource } from '#routing/map-follower.ts';
import type { NodeKeys, NodeLinks } from '#routing/node-keys.ts';
import { createCoordinatorModule } from '#server/coordinator-service.ts';
import { createMemoryMetadata } from '#test/doubles/memory-metadata.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { fromMapNews, toMapNews } from '#wire/map-news-codec.ts';

export interface Spread {
  readonly messages: number;
  readonly bytes: number;
  /** Milliseconds of the simulated time until every gateway has the change; no time passes on the network. */
  readonly ms: number;
}

export interface SpreadFigures {
  /** Every gateway starts and reads the whole map. */
  readonly start: Spread;
  /** A minute in which nothing changes. */
  readonly quiet: Spread;
  /** One node of the map has another address. */
  readonly change: Spread;
  /** A group loses its leader and has another one two seconds later, while each gateway has a call for it. */
  readonly failover: Spread;
  /** The coordinator restarts: every stream is opened anew. */
  readonly restart: Spread;
}

const PREFIX = '/walnut/x/';
const CLUSTER = 'c'.repeat(32);
const VOTERS = 3;
const PART_GROUPS = 20;
/** What a failover takes until the map has another leader, milliseconds. */
const FAILOVER_MS = 2_000;
/** The mark at its end is counted. */
const QUIET_MS = 60_001;
const WORK_MS_MAX = 120_000;

/** One coordinator's map, and what is sent for it. */
class Spreading {
  readonly clock = new VirtualClock();
  readonly #store = createMemoryMetadata(this.clock);
  readonly #catalogue = new Catalogue({
    store: this.#store,
    prefix: PREFIX,
    monotonicMs: () => this.clock.monotonicMs(),
  });
  #feed = this.#openFeed();
  #revision = 0;
  #messages = 0;
  #bytes = 0;

  get feed(): MapFeed {
    return this.#feed;
  }

  async begin(): Promise<void> {
    const key = `${PREFIX}leader`;
    const claim = { compare: [], writes: [{ key, value: Uint8Array.of() }] };
    this.#revision = (await this.#store.transact(claim)).revision;
  }

  async write(writes: MapWrites): Promise<void> {
    await this.#catalogue.change(this.#revision, () => writes);
  }

  async restart(): Promise<void> {
    await this.#feed.stop();
    this.#feed = this.#openFeed();
  }

  /** What `work` has sent, until it is over and everything has arrived. */
  async measure(work: () => Promise<unknown>, isOver: () => boolean): Promise<Spread> {
    const [messages, bytes, startMs] = [this.#messages, this.#bytes, this.clock.monotonicMs()];
    const working = work();
    let isDone = false;
    void working.then(() => {
      isDone = true;
    });
    await this.clock.advanceUntil(() => isDone && isOver(), WORK_MS_MAX);
    await working;
    const ms = this.clock.monotonicMs() - startMs;
    return { messages: this.#messages - messages, bytes: this.#bytes - bytes, ms };
  }

  /** The coordinator as a gateway calls it. */
  source(): MapSource {
    const port = this.#port();
    const { watchShardMap } = createCoordinatorModule({ port, version: '' }).methods;
    const { impl: watch } = watchShardMap as unknown as { readonly impl: Watch };
    const sent = <D extends DescMessage>(schema: D, init: MessageInitShape<D>) => this.#sent(schema, init);
    return {
      ask: async (_, clusterId, epoch) => {
        sent(GetShardMapRequestSchema, { clusterId, knownEpoch: BigInt(epoch) });
        return toMapNews(sent(GetShardMapResponseSchema, fromMapNews(port.newsFor(clusterId, epoch))));
      },
      follow: async function* (_, clusterId, epoch, signal) {
        const request = sent(WatchShardMapRequestSchema, { clusterId, fromEpoch: BigInt(epoch) });
        for await (const message of watch(request, { signal }))
          yield toMapNews(sent(WatchShardMapResponseSchema, message));
      },
    };
  }

  #sent<D extends DescMessage>(schema: D, init: MessageInitShape<D>) {
    const bytes = toBinary(schema, create(schema, init));
    this.#messages++;
    this.#bytes += bytes.length;
    return fromBinary(schema, bytes);
  }

  #port(): CoordinatorPort {
    const port = {
      newsFor: (clusterId: string, epoch: number) => {
        const news = this.#feed.newsFor(clusterId, epoch);
        if (news === undefined) throw new WalnutError('unavailable', 'the map was not read yet');
        return news;
      },
      nextChange: (limitMs: number, signal: AbortSignal) => this.#feed.nextChange(limitMs, signal),
      isFollowing: () => this.#feed.isFollowing,
    };
    return port as CoordinatorPort;
  }

  #openFeed(): MapFeed {
    const { clock } = this;
    const feed = new MapFeed({ store: this.#store, prefix: PREFIX, clock, logger: silentLogger });
    feed.start();
    return feed;
  }
}

type Watch = (
  request: unknown,
  context: { readonly signal: AbortSignal },
) => AsyncIterable<MessageInitShape<typeof WatchShardMapResponseSchema>>;

function groupOf(id: string, term: number, leader: string | undefined): Group {
  const voters = Array.from({ length: VOTERS }, (_, i) => ({
    node: `${id}-${i + 1}`,
    incarnation: 2 ** 40 + i,
  }));
  const tail = { epoch: 2 ** 33, lsn: toLsn(1_000_000) };
  return {
    ...{ id, logId: '0'.repeat(32), voters, term, lastLeader: '' },
    leader: leader === undefined ? undefined : { node: leader, incarnation: 2 ** 40, tail },
    ...{ next: undefined, withdrawn: 0, grants: undefined },
  };
}

/** The address of a node: as long as addresses are. */
function addressOf(node: string): string {
  return `${node}.example.internal:8080`;
}

/** In parts, as a cluster grows. */
function wholeMap(groups: number): MapWrites[] {
  const ids = idsOf(groups);
  const all = ids.map((id) => groupOf(id, 1, `${id}-1`));
  const parts = Array.from({ length: Math.ceil(groups / PART_GROUPS) }, (_, i): MapWrites => {
    const part = all.slice(i * PART_GROUPS, (i + 1) * PART_GROUPS);
    const nodes = part.flatMap(({ voters }) => voters.map(({ node }) => nodeOf(node, addressOf(node))));
    return { groups: part, nodes };
  });
  return [...parts, { clusterId: CLUSTER, slots: divideSlots(ids) }];
}

function idsOf(groups: number): string[] {
  return Array.from({ length: groups }, (_, i) => `g${i + 1}`);
}

function nodeOf(name: string, address: string) {
  return { name, address, zone: 'zone-a', status: 'active' as const };
}

/** Nodes that answer while they lead, by the map of the coordinator. */
function linksOf(feed: () => MapFeed, dead: ReadonlySet<string>): NodeLinks {
  const failures = {
    dead: { outcome: 'not_done', remedy: 'later' },
    elsewhere: { outcome: 'not_done', remedy: 'elsewhere' },
  } as const;
  const linkTo = (address: string) => ({
    get: async () => {
      const node = address.slice(0, address.indexOf('.'));
      if (dead.has(node)) throw new Error('dead');
      const group = feed().map?.groups.get(node.slice(0, node.indexOf('-')));
      if (group?.leader?.node !== node) throw new Error('elsewhere');
      return { entry: undefined, asOf: { epoch: 2 ** 33, lsn: toLsn(1) }, stalenessMs: 0 };
    },
  });
  return {
    linkTo: (address) => linkTo(address) as unknown as NodeKeys,
    judge: (error) => failures[(error as Error).message as 'dead'],
    toError: (error) => new WalnutError('unavailable', (error as Error).message),
    retain: () => undefined,
  };
}

function keyOf(lastSlot: number): string {
  for (let i = 0; ; i++) if (slotOfKey(`key${i}`) <= lastSlot) return `key${i}`;
}

export async function simulateSpread(groups: number, gateways: number): Promise<SpreadFigures> {
  const spreading = new Spreading();
  const { clock } = spreading;
  const dead = new Set<string>();
  const links = linksOf(() => spreading.feed, dead);
  await spreading.begin();
  for (const part of wholeMap(groups)) await spreading.write(part);
  await clock.settle();
  const all = Array.from({ length: gateways }, (_, i) => {
    const parts = { clock, random: new SeededRandom(i), logger: silentLogger, links };
    const limits = { callsMax: 100, bytesMax: 1_000_000 };
    const source = spreading.source();
    return new Gateway({
      ...parts,
      coordinators: ['c1:1'],
      source,
      kept: undefined,
      readFrom: 'master',
      limits,
    });
  });
  const haveAll = (): boolean => all.every(({ map }) => map?.epoch === spreading.feed.map?.epoch);
  const start = await spreading.measure(() => Promise.all(all.map((one) => one.start())), haveAll);
  const quiet = await spreading.measure(() => clock.sleep(QUIET_MS), haveAll);
  const moved = nodeOf('g1-3', addressOf('another'));
  const change = await spreading.measure(() => spreading.write({ nodes: [moved] }), haveAll);
  const key = keyOf(divideSlots(idsOf(groups))[0]?.last ?? 0);
  const failover = await spreading.measure(async () => {
    dead.add('g1-1');
    const calls = all.map(({ keys }) => keys.get({ key, waitMs: 0 }));
    await clock.sleep(FAILOVER_MS);
    await spreading.write({ groups: [groupOf('g1', 2, undefined)] });
    await spreading.write({ groups: [groupOf('g1', 2, 'g1-2')] });
    await Promise.all(calls);
  }, haveAll);
  const restart = await spreading.measure(
    () => spreading.restart(),
    () => haveAll() && all.every((one) => one.view().isFollowing),
  );
  await Promise.all([...all.map((one) => one.stop()), spreading.feed.stop()]);
  return { start, quiet, change, failover, restart };
}

async function main([groups = '100', gateways = '1000']: readonly string[]): Promise<void> {
  const figures = await simulateSpread(Number(groups), Number(gateways));
  process.stdout.write(`${groups} groups of ${VOTERS}, ${gateways} gateways, one coordinator\n`);
  for (const [name, { messages, bytes, ms }] of Object.entries(figures))
    process.stdout.write(`${name}: ${messages} messages, ${bytes} bytes, ${Math.round(ms)} ms\n`);
}

if (import.meta.main) await main(process.argv.slice(2));
