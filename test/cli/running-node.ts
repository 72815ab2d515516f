/** A real master in this process, on a real disk and a port of the loopback interface. */

import type { NodeOptions } from '#node/node-options.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';
import { openServer, type RunningServer } from '#server/open-server.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { NO_SETTINGS } from '#test/doubles/no-settings.ts';
import { createWholeNode, type WholeNode } from '#test/doubles/whole-node.ts';

export class RunningMaster {
  readonly node: WholeNode;
  readonly directory: string;
  readonly #server: RunningServer;

  private constructor(node: WholeNode, directory: string, server: RunningServer) {
    this.node = node;
    this.directory = directory;
    this.#server = server;
  }

  static async start(
    directory: string,
    changes: Partial<NodeOptions> = {},
    { batchBytesMax = 16 << 20, group }: { readonly batchBytesMax?: number; readonly group?: string } = {},
  ): Promise<RunningMaster> {
    const clock = createNodeClock();
    const node = createWholeNode({
      fileSystem: createNodeFileSystem(),
      clock,
      random: createNodeRandom(),
      logger: silentLogger,
      dialer: {
        dial: (address) => {
          throw new Error(`nobody is dialled here, not ${address}`);
        },
      },
      version: 'test',
      role: 'master',
      upstream: '',
      directory,
      fsync: 'never',
      walSyncIntervalMs: 1_000,
      maxFileBytes: 8_192,
      retentionBytes: 0,
      snapshotEveryBytes: 1 << 30,
      limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' },
      defaultTtlMs: 0,
      replicas: [],
      pushIntervalMs: 10,
      heartbeatMs: 250,
      maxLagMs: 5_000,
      serveStale: true,
      pullIntervalMs: 1_000,
      onFatal: (error) => {
        throw error;
      },
      ...changes,
    });
    const server = await openServer({
      ports: node.ports,
      group: () => group ?? node.group,
      clusterId: () => node.clusterId,
      clock,
      logger: silentLogger,
      metrics: new Metrics(),
      host: '127.0.0.1',
      port: 0,
      valueBytesMax: 8 << 20,
      batchBytesMax,
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
    await node.start(`127.0.0.1:${server.port}`);
    return new RunningMaster(node, directory, server);
  }

  get address(): string {
    return `127.0.0.1:${this.#server.port}`;
  }

  async set(key: string, value: string | Uint8Array, expireAtMs = 0): Promise<void> {
    const expiry = { kind: 'at', expireAtMs } as const;
    await this.node.set({ key, value: Buffer.from(value), expiry, ...OPTIONS });
  }

  async delete(key: string): Promise<void> {
    await this.node.delete({ key, ...OPTIONS });
  }

  /** All entries under `prefix`, as text, in the order of keys. */
  contents(prefix = ''): Record<string, string> {
    const { entries } = this.node.scan({ prefix, cursor: '', limit: 10_000, keysOnly: false });
    const pairs = entries.map(({ key, value }): [string, string] => [key, Buffer.from(value).toString()]);
    return Object.fromEntries(pairs.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  get lsn(): number {
    return this.node.digest().position.lsn;
  }

  async stop(): Promise<void> {
    await this.#server.close(0);
    await this.node.stop();
  }
}

const OPTIONS = { returnPrevious: false, minAcks: 0, timeoutMs: 0 };
