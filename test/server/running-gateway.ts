/**
 * A gateway in this process over three groups of one member each, on free ports. The log of each
 * says that it owns a third of the slots, so that a key that is routed to another one is refused.
 */
import type { MapNews } from '#cluster/coordinator-port.ts';
import { LEASE_MS } from '#cluster/figures.ts';
import type { MemberPort } from '#cluster/member-port.ts';
import { type Group, ownerOf, type ShardMap } from '#cluster/shard-map.ts';
import { slotOfKey } from '#cluster/slot-hash.ts';
import { unavailable } from '#model/errors.ts';
import type { MemberOptions } from '#node/member/member-options.ts';
import { ConnectNodeLinks } from '#peer/node-links.ts';
import type { Clock } from '#platform/clock.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import type { PeerDialer, PeerLink } from '#replication/peer-link.ts';
import { Gateway } from '#routing/gateway.ts';
import { openGatewayServer } from '#server/open-gateway-server.ts';
import type { RunningServer } from '#server/open-server.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';

const GROUPS = ['g1', 'g2', 'g3'];
const MIB = 1_024 * 1_024;
/** The only member of a group calls no other. */
const NOBODY: PeerDialer = { dial: () => ({ close: () => undefined }) as PeerLink };

export class RunningGateway {
  readonly masters: ReadonlyMap<string, RunningMaster>;
  readonly gateway: Gateway;
  readonly server: RunningServer;
  readonly #map: ShardMap;
  readonly #links: ConnectNodeLinks;

  constructor(
    masters: ReadonlyMap<string, RunningMaster>,
    map: ShardMap,
    gateway: Gateway,
    server: RunningServer,
    links: ConnectNodeLinks,
  ) {
    this.masters = masters;
    this.#map = map;
    this.gateway = gateway;
    this.server = server;
    this.#links = links;
  }

  static async start(directory: string): Promise<RunningGateway> {
    const masters = new Map<string, RunningMaster>();
    const [clock, random] = [createNodeClock(), createNodeRandom()];
    for (const id of GROUPS) {
      const member = memberOptions(`${id}-1`, clock);
      const changes = { role: 'replica', member, dialer: NOBODY } as const;
      masters.set(id, await RunningMaster.start(`${directory}/${id}`, changes));
    }
    const map = mapAt(masters);
    for (const [id, master] of masters) await lead(master, id, map);
    const links = new ConnectNodeLinks({ clock });
    const news: MapNews = { kind: 'whole', map, epoch: map.epoch };
    const gateway = new Gateway({
      coordinators: ['coordinator:1'],
      source: {
        ask: async () => news,
        follow: async function* (_, __, ___, signal) {
          yield news;
          await clock.sleep(600_000, signal);
        },
      },
      links,
      kept: undefined,
      readFrom: 'master',
      limits: { callsMax: 1_000, bytesMax: 64 * MIB },
      ...{ clock, random, logger: silentLogger },
    });
    await gateway.start();
    const server = await openGatewayServer({
      gateway,
      keyValue: gateway.keys,
      relay: gateway.keys.relay,
      clock,
      logger: silentLogger,
      metrics: new Metrics(),
      version: '0.0.0',
      host: '127.0.0.1',
      port: 0,
      hostNames: [],
      corsOrigins: new Set(),
      valueBytesMax: 8 * MIB,
      batchBytesMax: 32 * MIB,
      bodyBytesMax: 64 * MIB,
      answerBytesMax: 64 * MIB,
      openFilesMax: 1_024,
      http1: HTTP1,
      http2: HTTP2,
    });
    return new RunningGateway(masters, map, gateway, server, links);
  }

  get address(): string {
    return this.server.address;
  }

  /** The master of the group that owns the key. */
  masterOf(key: string): RunningMaster {
    const id = ownerOf(this.#map.slots, slotOfKey(key)) ?? '';
    return this.masters.get(id) as RunningMaster;
  }

  async stop(): Promise<void> {
    await this.server.close(0);
    await this.gateway.stop();
    this.#links.close();
    for (const master of this.masters.values()) await master.stop();
  }
}

function memberOptions(node: string, clock: Clock): MemberOptions {
  return {
    ...{ cluster: 'test', node, zone: '', coordinators: ['coordinator:1'], leaseMs: LEASE_MS },
    heartbeat: async () => {
      throw unavailable('there is no coordinator');
    },
    readClocks: () => {
      const [monotonicMs, wallMs] = [clock.monotonicMs(), clock.wallMs()];
      return { monotonicMs, wallMs, uptimeMs: monotonicMs };
    },
  };
}

/** What a coordinator asks of the only voter of a group, whose lease is its own. */
async function lead({ node }: RunningMaster, id: string, map: ShardMap): Promise<void> {
  const member = node.ports.member as MemberPort;
  const { clusterId } = map;
  const { logId, term } = map.groups.get(id) as Group;
  const whom = { clusterId, node: `${id}-1`, group: id, logId, term };
  const { voter, tail } = await member.claim({ ...whom, isCheck: false });
  const { isAccepted, reason } = await member.takeOver({ ...whom, ...voter, tail, map });
  if (!isAccepted) throw new Error(`${id} does not lead: ${reason}`);
}

function mapAt(masters: ReadonlyMap<string, RunningMaster>): ShardMap {
  const map = mapOf(GROUPS, 1);
  const nodes = [...masters].map(([id, { address }]) => {
    const name = `${id}-1`;
    return [name, { name, address, zone: '', status: 'active' as const }] as const;
  });
  const groups = [...map.groups].map(
    ([id, group]) => [id, { ...group, voters: group.voters.slice(0, 1) }] as const,
  );
  return { ...map, groups: new Map(groups), nodes: new Map(nodes) };
}
