/** Nodes in this process on real ports of the loopback interface, with real links and disks. */
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeStatus, Role } from '#model/status.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openServer, type RunningServer } from '#server/open-server.ts';
import { freePort } from '#test/doubles/free-ports.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { NO_SETTINGS } from '#test/doubles/no-settings.ts';
import { createWholeNode, type WholeNode } from '#test/doubles/whole-node.ts';

const WAIT_MS_MAX = 20_000;
const LOOK_MS = 20;

type Changes = Partial<NodeOptions>;

export class LiveNode {
  readonly role: Role;
  readonly directory: string;
  node!: WholeNode;
  readonly failures: Error[] = [];
  #server: RunningServer | undefined;
  #port = 0;

  constructor(role: Role, directory: string) {
    this.role = role;
    this.directory = directory;
  }

  /** Starts the node, or restarts it on the same port. */
  async start(changes: Changes = {}): Promise<this> {
    this.#port ||= await freePort();
    const clock = createNodeClock();
    this.node = createWholeNode({
      fileSystem: createNodeFileSystem(),
      clock,
      random: createNodeRandom(),
      logger: silentLogger,
      dialer: createPeerDialer({ clock }),
      version: 'test',
      role: this.role,
      upstream: '',
      directory: this.directory,
      fsync: 'interval',
      walSyncIntervalMs: 100,
      maxFileBytes: 8_192,
      retentionBytes: 65_536,
      snapshotEveryBytes: 1 << 30,
      limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' },
      defaultTtlMs: 0,
      replicas: [],
      pushIntervalMs: 5,
      heartbeatMs: 100,
      maxLagMs: 5_000,
      serveStale: true,
      pullIntervalMs: 500,
      onFatal: (error) => this.failures.push(error),
      ...changes,
    });
    this.#server = await openServer({
      ports: this.node.ports,
      clock,
      logger: silentLogger,
      metrics: new Metrics(),
      host: '127.0.0.1',
      port: this.#port,
      valueBytesMax: 8 << 20,
      batchBytesMax: 16 << 20,
      bodyBytesMax: 512 << 20,
      answerBytesMax: 256 << 20,
      hostNames: [],
      corsOrigins: new Set(),
      settings: NO_SETTINGS,
      openFilesMax: 20_000,
      http1: HTTP1,
      http2: HTTP2,
      version: 'test',
    });
    try {
      await this.node.start(this.address);
    } catch (error) {
      await this.stop();
      throw error;
    }
    return this;
  }

  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get status(): NodeStatus {
    return this.node.status();
  }

  get reasons(): string {
    return this.status.reasons.join('\n');
  }

  get isWriting(): boolean {
    return this.status.role === 'master' && this.status.state === 'serving';
  }

  async set(key: string, value: string): Promise<void> {
    const expiry = { kind: 'at', expireAtMs: 0 } as const;
    const options = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };
    await this.node.set({ key, value: Buffer.from(value), expiry, ...options });
  }

  async get(key: string): Promise<string | undefined> {
    const { entry } = await this.node.get({ key, waitMs: 0 });
    return entry === undefined ? undefined : Buffer.from(entry.value).toString();
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await server.close(0);
    await this.node.stop();
  }

  /** Moves its directory away, so that the next start finds none. */
  async empty(): Promise<void> {
    await rename(this.directory, `${this.directory}.away-${Date.now()}`);
  }
}

export class LiveGroup {
  readonly nodes: LiveNode[] = [];
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  static async create(): Promise<LiveGroup> {
    return new LiveGroup(await mkdtemp(join(tmpdir(), 'walnut-runbook-')));
  }

  add(role: Role, name: string): LiveNode {
    const node = new LiveNode(role, join(this.path, name));
    this.nodes.push(node);
    return node;
  }

  /** A master and two replicas that have caught up, with some entries. */
  async trio(replica: Changes = {}): Promise<{ master: LiveNode; one: LiveNode; two: LiveNode }> {
    const master = await this.add('master', 'master').start();
    const follows = { upstream: master.address, ...replica };
    const one = await this.add('replica', 'one').start(follows);
    const two = await this.add('replica', 'two').start(follows);
    for (let i = 0; i < 5; i++) await master.set(`k${i}`, 'v');
    await level(master, one, two);
    return { master, one, two };
  }

  async close(): Promise<void> {
    for (const node of this.nodes) await node.stop().catch(() => undefined);
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Waits until the check succeeds. Fails after twenty seconds, naming what it waited for. */
export async function until(holds: () => boolean, what: () => string): Promise<void> {
  const endMs = Date.now() + WAIT_MS_MAX;
  while (!holds()) {
    if (Date.now() > endMs) throw new Error(`not within ${WAIT_MS_MAX} ms: ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

function stateOf({ node }: LiveNode): string {
  try {
    const { position, entries, digest } = node.digest();
    return `${position.epoch}-${position.lsn} ${entries} ${digest}`;
  } catch (error) {
    return `${error}`;
  }
}

/** Checks health: all nodes are at one position with one digest. */
export function level(...nodes: readonly LiveNode[]): Promise<void> {
  return until(
    () => new Set(nodes.map(stateOf)).size === 1,
    () => nodes.map((one) => `${one.directory}: ${stateOf(one)}; ${one.reasons}`).join('\n'),
  );
}
