/**
 * A master and its replicas as real processes with a proxy in each link: the
 * replicas reach their master through one, and advertise another, through which
 * the master pushes. Clients are served directly.
 */
import { join } from 'node:path';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { TcpProxy } from '#test/doubles/tcp-proxy.ts';
import { type Answer, NodeProcess, pause } from './node-process.ts';

export interface LinkGroupOptions {
  /** Scratch; each node has a directory in it. */
  readonly directory: string;
  readonly seed: number;
  readonly replicas: number;
  /** `section.key=value` of every node, of the master, of the replicas. */
  readonly sets?: readonly string[];
  readonly masterSets?: readonly string[];
  readonly replicaSets?: readonly string[];
}

export interface LinkReplica {
  readonly name: string;
  process: NodeProcess;
  /** The replica calls its master through this one: Register, GetUpdates, FetchSnapshot. */
  readonly toMaster: TcpProxy;
  /** The master pushes through this one. */
  readonly fromMaster: TcpProxy;
}

/** What `Admin/Digest` says, in one line: equal at equal positions for equal states. */
export interface DigestLine {
  readonly position: string;
  readonly state: string;
}

const LEVEL_MS_MAX = 60_000;
const POLL_MS = 10;
/** Silence after which these replicas pull: short, so that a cut shows quickly. */
export const PULL_MS = 500;

export class LinkGroup {
  master: NodeProcess;
  readonly replicas: LinkReplica[] = [];
  readonly #options: LinkGroupOptions;

  private constructor(options: LinkGroupOptions) {
    this.#options = options;
    this.master = this.#startMaster();
  }

  static async start(options: LinkGroupOptions): Promise<LinkGroup> {
    const group = new LinkGroup(options);
    try {
      await expectReady(group.master);
      const random = new SeededRandom(options.seed);
      for (let i = 0; i < options.replicas; i++) {
        const toMaster = await TcpProxy.open(random.fork());
        toMaster.target = group.master;
        const fromMaster = await TcpProxy.open(random.fork());
        const name = `replica-${i + 1}`;
        const process = group.#startReplica(name, toMaster, fromMaster, []);
        group.replicas.push({ name, process, toMaster, fromMaster });
      }
      for (const replica of group.replicas) {
        await expectReady(replica.process);
        replica.fromMaster.target = replica.process;
      }
      return group;
    } catch (error) {
      await group.destroy();
      throw error;
    }
  }

  /** Another process on the replica's directory, at the same proxies; the one before must have ended. */
  async restart(replica: LinkReplica, flags: readonly string[] = []): Promise<void> {
    replica.process = this.#startReplica(replica.name, replica.toMaster, replica.fromMaster, flags);
    await expectReady(replica.process);
    replica.fromMaster.target = replica.process;
  }

  proxies(): TcpProxy[] {
    return this.replicas.flatMap(({ toMaster, fromMaster }) => [toMaster, fromMaster]);
  }

  untilLevel(nodes = [this.master, ...this.replicas.map(({ process }) => process)]): Promise<number> {
    return untilLevel(nodes);
  }

  resyncs(): Promise<Resyncs> {
    return resyncsOf(this.master);
  }

  async destroy(): Promise<void> {
    const nodes = [this.master, ...this.replicas.map(({ process }) => process)];
    // A stopped process dies of SIGKILL too.
    await Promise.all(nodes.map((node) => node.destroy()));
    await Promise.all(this.proxies().map((proxy) => proxy.close()));
  }

  #startMaster(): NodeProcess {
    const { directory, sets = [], masterSets = [] } = this.#options;
    return new NodeProcess({
      binary: 'master',
      sets: [`wal.directory=${join(directory, 'master')}`, ...sets, ...masterSets],
    });
  }

  #startReplica(
    name: string,
    toMaster: TcpProxy,
    fromMaster: TcpProxy,
    flags: readonly string[],
  ): NodeProcess {
    const { directory, sets = [], replicaSets = [] } = this.#options;
    return new NodeProcess({
      binary: 'slave',
      flags,
      sets: [
        `wal.directory=${join(directory, name)}`,
        `master.address=${toMaster.address}`,
        `master.sync_interval=${PULL_MS}ms`,
        `server.advertise=${fromMaster.address}`,
        ...sets,
        ...replicaSets,
      ],
    });
  }
}

export async function expectReady(node: NodeProcess): Promise<void> {
  if (!(await node.ready())) throw new Error(`it does not start: ${node.output}`);
}

async function digestOf(node: NodeProcess): Promise<DigestLine> {
  const answer: Answer | undefined = await node.call('Admin/Digest', {}).catch(() => undefined);
  if (answer?.status !== 200) return { position: '', state: '' };
  const { position = {}, entries = '0', digest } = answer.body;
  return { position: `${position.epoch}-${position.lsn}`, state: `${entries} ${digest}` };
}

/** Waits until the nodes are at one position, and compares them there. Resolves with how many milliseconds that took. */
export async function untilLevel(nodes: readonly NodeProcess[]): Promise<number> {
  const startMs = performance.now();
  let digests: DigestLine[] = [];
  while (performance.now() - startMs < LEVEL_MS_MAX) {
    digests = await Promise.all(nodes.map(digestOf));
    if (digests.every(({ position }) => position !== '' && position === digests[0]?.position)) {
      if (digests.some(({ state }) => state !== digests[0]?.state))
        throw new Error(`digests differ at one position: ${JSON.stringify(digests)}`);
      return performance.now() - startMs;
    }
    await pause(POLL_MS);
  }
  const statuses = await Promise.all(nodes.map((node) => node.call('Admin/Status', {}).catch(String)));
  throw new Error(
    `not level within ${LEVEL_MS_MAX} ms: ${JSON.stringify(digests)} ${JSON.stringify(statuses)}`,
  );
}

/** Full and partial resyncs that a master counts, of all replicas together. */
export interface Resyncs {
  readonly full: number;
  readonly partial: number;
  readonly reasons: readonly string[];
}

export async function resyncsOf(master: NodeProcess): Promise<Resyncs> {
  const { body } = await master.call('Admin/Status', {});
  const replicas: Record<string, string>[] = body.replicas ?? [];
  const sum = (name: string) => replicas.reduce((total, each) => total + Number(each[name] ?? 0), 0);
  return {
    full: sum('fullResyncs'),
    partial: sum('partialResyncs'),
    reasons: replicas.flatMap(({ lastFullResyncReason = '' }) => lastFullResyncReason || []),
  };
}
