/** What `walnut doctor --config` asks of the machine that a node is to run on. */
import { createServer } from 'node:net';
import { whyNoConnection } from '#dial/why-no-connection.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { memoryLimitBytes } from '#platform/memory.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { openFilesMax } from '#platform/open-files.ts';

export interface Machine {
  readonly fileSystem: FileSystem;
  readonly memoryLimitBytes: number;
  /** Infinity if there is no limit. */
  readonly openFilesMax: number;
  readonly wallMs: number;
  /** Milliseconds since some fixed moment. */
  monotonicMs(): number;
  /** The system's code where nothing can listen there; undefined where it can. */
  whyNotListen(host: string, port: number): Promise<string | undefined>;
  /** The system's code where nothing takes a connection there; undefined where something does. */
  whyNotConnect(host: string, port: number): Promise<string | undefined>;
}

const CONNECT_MS_MAX = 2_000;

export function createMachine(): Machine {
  return {
    fileSystem: createNodeFileSystem(),
    memoryLimitBytes: memoryLimitBytes(),
    openFilesMax: openFilesMax(),
    wallMs: Date.now(),
    monotonicMs: () => performance.now(),
    whyNotListen,
    whyNotConnect: (host, port) => whyNoConnection({ host, port }, CONNECT_MS_MAX),
  };
}

function whyNotListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}
