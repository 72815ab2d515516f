/**
 * Two groups of three members behind two gateways, as real processes, under callers that never
 * repeat a call. In each round the master of a group is killed and comes back. Every write is
 * at QUORUM, so that sums and values tell what was lost or done twice.
 */
import { join } from 'node:path';
import { freePort } from '#test/doubles/free-ports.ts';
import { COUNTERS, callByEveryWay } from './gateway-callers.ts';
import { GatewayTally } from './gateway-tally.ts';
import { NodeProcess } from './node-process.ts';
import { until as untilSo } from './until.ts';

export interface GatewayRunOptions {
  /** Scratch. */
  readonly directory: string;
  readonly rounds: number;
  readonly onRound?: ((round: number, waitedMs: number) => void) | undefined;
}

export interface GatewayRun {
  readonly tally: GatewayTally;
  /** By how much the sums differ from the acknowledged increments, keys without errors only. */
  readonly lost: number;
  readonly doubled: number;
  /** The longest call of each round, milliseconds. */
  readonly longestMs: readonly number[];
}

const GROUPS: Readonly<Record<string, readonly string[]>> = { g1: ['a', 'b', 'c'], g2: ['d', 'e', 'f'] };
const WAIT_MS_MAX = 180_000;
const LOOK_MS = 50;

export async function failBehindGateways(options: GatewayRunOptions): Promise<GatewayRun> {
  const cluster = await GatewayCluster.start(options.directory);
  const over = new AbortController();
  try {
    const tally = new GatewayTally();
    const callers = callByEveryWay(cluster.gateways, tally, over.signal);
    // A round that fails is told first.
    callers.catch(() => undefined);
    const longestMs: number[] = [];
    // A call that failed ends the run, so that what the processes said last is about it.
    for (let round = 0; round < options.rounds && tally.errors + tally.wrong === 0; round++) {
      tally.longestMs = 0;
      await cluster.loseMaster(round % 2 === 0 ? 'g1' : 'g2');
      longestMs.push(tally.longestMs);
      options.onRound?.(round + 1, tally.longestMs);
    }
    over.abort();
    await callers;
    return { ...(await cluster.compare(tally)), tally, longestMs };
  } catch (error) {
    throw new Error(cluster.describe(), { cause: error });
  } finally {
    over.abort();
    await cluster.destroy();
  }
}

class GatewayCluster {
  readonly gateways: NodeProcess[] = [];
  readonly #directory: string;
  readonly #nodes = new Map<string, { port: number; process: NodeProcess }>();
  #coordinator: NodeProcess | undefined;

  constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(directory: string): Promise<GatewayCluster> {
    const cluster = new GatewayCluster(directory);
    try {
      await cluster.#start();
      return cluster;
    } catch (error) {
      const why = cluster.describe();
      await cluster.destroy();
      throw new Error(why, { cause: error });
    }
  }

  async #start(): Promise<void> {
    const file = `coordinator.metadata.file=${join(this.#directory, 'metadata.db')}`;
    const coordinator = new NodeProcess({ binary: 'coordinator', port: await freePort(), sets: [file] });
    this.#coordinator = coordinator;
    for (const name of Object.values(GROUPS).flat()) this.#spawn(name, await freePort());
    const groups = Object.entries(GROUPS).map(([id, nodes]) => ({ id, nodes }));
    await until('the cluster is made', async () => {
      return (await coordinator.call('Coordinator/InitCluster', { groups })).status === 200;
    });
    for (let i = 0; i < 2; i++) {
      const sets = [
        `gateway.coordinators=${coordinator.address}`,
        `gateway.map_file=${join(this.#directory, `map-${i}`)}`,
      ];
      this.gateways.push(new NodeProcess({ binary: 'gateway', port: await freePort(), sets }));
    }
    for (const gateway of this.gateways)
      for (const key of COUNTERS)
        await until('every key is served', async () => {
          return (await gateway.call('KVStore/Get', { key }, 1_000)).status === 200;
        });
  }

  /** Kills the master of a group; resolves when another one leads and the killed one follows again. */
  async loseMaster(group: string): Promise<void> {
    const leader = await this.#leaderOf(group);
    const { port, process: killed } = this.#nodes.get(leader) as { port: number; process: NodeProcess };
    await killed.destroy();
    await until(`another than ${leader} leads`, async () => {
      const next = await this.#leaderOf(group);
      return next !== leader && (await this.#stateOf(next)) === 'NODE_STATE_SERVING';
    });
    this.#spawn(leader, port);
    await until(`${leader} follows`, async () => (await this.#stateOf(leader)) === 'NODE_STATE_STREAMING');
  }

  /** Reads what each key has now. */
  async compare(tally: GatewayTally): Promise<Pick<GatewayRun, 'lost' | 'doubled'>> {
    let [lost, doubled] = [0, 0];
    for (const [key, acked] of tally.counts) {
      if (tally.doubtful.has(key)) continue;
      const sum = Number(await this.#textOf(key));
      lost += Math.max(0, acked - sum);
      doubled += Math.max(0, sum - acked);
    }
    for (const key of tally.texts.keys()) tally.read(key, await this.#textOf(key));
    return { lost, doubled };
  }

  async #textOf(key: string): Promise<string> {
    const [gateway] = this.gateways as [NodeProcess];
    const { body } = await gateway.call('KVStore/Get', { key, linearizable: true });
    return Buffer.from(body.value ?? '', 'base64').toString();
  }

  describe(): string {
    const processes = [
      this.#coordinator,
      ...[...this.#nodes.values()].map((one) => one.process),
      ...this.gateways,
    ];
    return processes.map((one) => one?.output.split('\n').slice(-6).join('\n')).join('\n---\n');
  }

  async destroy(): Promise<void> {
    for (const gateway of this.gateways) await gateway.destroy();
    for (const { process: node } of this.#nodes.values()) await node.destroy();
    await this.#coordinator?.destroy();
  }

  #spawn(name: string, port: number): void {
    const sets = [
      `wal.directory=${join(this.#directory, name)}`,
      `cluster.node=${name}`,
      `cluster.coordinators=${this.#coordinator?.address}`,
    ];
    this.#nodes.set(name, { port, process: new NodeProcess({ binary: 'node', port, sets }) });
  }

  async #leaderOf(id: string): Promise<string> {
    const { body } = await (this.#coordinator as NodeProcess).call('Coordinator/GetCluster', {});
    const found = body.groups?.find((one: { group: { id: string } }) => one.group.id === id);
    return found?.group.leader?.voter.node ?? '';
  }

  async #stateOf(name: string): Promise<string> {
    const node = this.#nodes.get(name)?.process;
    return (await node?.call('Admin/Status', {}, 1_000))?.body.state ?? '';
  }
}

/** What fails is not so yet: processes start and end meanwhile. */
function until(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  return untilSo(what, () => isTrue().catch(() => false), { msMax: WAIT_MS_MAX, everyMs: LOOK_MS });
}
