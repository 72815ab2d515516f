/**
 * Two groups of three members behind two gateways, as real processes, under callers that never
 * repeat a call. In each round the master of a group is killed and comes back. Every write is an
 * increment at QUORUM, so that the sums tell what was lost or done twice.
 */
import { join } from 'node:path';
import { freePort } from '#test/doubles/free-ports.ts';
import { NodeProcess } from './node-process.ts';
import { until as untilSo } from './until.ts';

export interface GatewayRunOptions {
  /** Scratch. */
  readonly directory: string;
  readonly rounds: number;
  readonly callers: number;
  readonly onRound?: ((round: number, waitedMs: number) => void) | undefined;
}

export interface GatewayRun {
  readonly acked: number;
  /** Calls that had an error for an answer, or none, and the first of them. */
  readonly errors: number;
  readonly firstError: string;
  /** Acknowledged below QUORUM, since that took too long. */
  readonly below: number;
  /** By how much the sums differ from the acknowledged increments, keys without errors only. */
  readonly lost: number;
  readonly doubled: number;
  /** The longest call of each round, milliseconds. */
  readonly waitsMs: readonly number[];
}

const GROUPS: Readonly<Record<string, readonly string[]>> = { g1: ['a', 'b', 'c'], g2: ['d', 'e', 'f'] };
const KEYS = 32;
const CALL_MS = 10_000;
const WAIT_MS_MAX = 180_000;
const LOOK_MS = 50;

interface Tally {
  readonly acked: Map<string, number>;
  readonly doubtful: Set<string>;
  errors: number;
  firstError: string;
  below: number;
  longestMs: number;
}

export async function failBehindGateways(options: GatewayRunOptions): Promise<GatewayRun> {
  const cluster = await GatewayCluster.start(options.directory);
  try {
    const tally: Tally = {
      ...{ acked: new Map(), doubtful: new Set(), errors: 0, firstError: '', below: 0, longestMs: 0 },
    };
    const over = new AbortController();
    const callers = Array.from({ length: options.callers }, (_, i) => callOn(cluster, i, tally, over.signal));
    const waitsMs: number[] = [];
    // A call that failed ends the run, so that what the processes said last is about it.
    for (let round = 0; round < options.rounds && tally.errors === 0; round++) {
      tally.longestMs = 0;
      await cluster.loseMaster(round % 2 === 0 ? 'g1' : 'g2');
      waitsMs.push(tally.longestMs);
      options.onRound?.(round + 1, tally.longestMs);
    }
    over.abort();
    await Promise.all(callers);
    return { ...(await cluster.compare(tally)), waitsMs };
  } catch (error) {
    throw new Error(cluster.describe(), { cause: error });
  } finally {
    await cluster.destroy();
  }
}

async function callOn(
  cluster: GatewayCluster,
  caller: number,
  tally: Tally,
  over: AbortSignal,
): Promise<void> {
  const gateway = cluster.gateways[caller % cluster.gateways.length] as NodeProcess;
  for (let i = 0; !over.aborted; i++) {
    const key = `k${(caller * 7 + i) % KEYS}`;
    const startedMs = performance.now();
    const request = { key, durability: 'DURABILITY_QUORUM', timeoutMs: CALL_MS - 1_000 };
    const answer = await gateway.call('KVStore/Increment', request, CALL_MS).catch((error: Error) => error);
    tally.longestMs = Math.max(tally.longestMs, performance.now() - startedMs);
    if (answer instanceof Error || answer.status !== 200) {
      tally.errors++;
      tally.firstError ||= answer instanceof Error ? answer.message : JSON.stringify(answer.body);
      tally.doubtful.add(key);
    } else {
      tally.acked.set(key, (tally.acked.get(key) ?? 0) + 1);
      if (answer.body.durabilityReached !== 'DURABILITY_QUORUM') {
        tally.below++;
        tally.doubtful.add(key);
      }
    }
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
      for (let key = 0; key < KEYS; key++)
        await until('every key is served', async () => {
          return (await gateway.call('KVStore/Get', { key: `k${key}` }, 1_000)).status === 200;
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

  async compare(tally: Tally): Promise<Omit<GatewayRun, 'waitsMs'>> {
    let [lost, doubled] = [0, 0];
    const [gateway] = this.gateways as [NodeProcess];
    for (const [key, acked] of tally.acked) {
      if (tally.doubtful.has(key)) continue;
      const { body } = await gateway.call('KVStore/Get', { key, linearizable: true });
      const sum = Number(Buffer.from(body.value ?? '', 'base64').toString());
      lost += Math.max(0, acked - sum);
      doubled += Math.max(0, sum - acked);
    }
    const acked = [...tally.acked.values()].reduce((sum, count) => sum + count, 0);
    const { errors, firstError, below } = tally;
    return { acked, errors, firstError, below, lost, doubled };
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
