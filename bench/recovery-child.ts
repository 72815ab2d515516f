/**
 * The process that is measured: `fill DIR COUNT log|snapshot` writes entries of
 * a 16-byte key and a 100-byte value, `start DIR` recovers them and prints
 * what that took. A process of its own, so that its peak memory is its own.
 */
import { Node } from '#node/node.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom } from '#platform/random.ts';

const BATCH = 500;

/** Nobody dials it: the nodes measured have no network. */
const ADDRESS = '127.0.0.1:8080';

function createNode(directory: string): Node {
  return new Node({
    fileSystem: createNodeFileSystem(),
    clock: createNodeClock(),
    random: createNodeRandom(),
    logger: silentLogger,
    dialer: {
      dial: () => {
        throw new Error('there are no replicas here');
      },
    },
    version: 'bench',
    role: 'master',
    upstream: '',
    directory,
    fsync: 'interval',
    walSyncIntervalMs: 1_000,
    maxFileBytes: 100_000_000,
    retentionBytes: 0,
    snapshotEveryBytes: 2 ** 40,
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
  });
}

async function fill(directory: string, count: number, isSnapshot: boolean): Promise<void> {
  const node = createNode(directory);
  await node.start(ADDRESS);
  const value = Buffer.alloc(100, 'v');
  for (let at = 0; at < count; at += BATCH) {
    const sets = Array.from({ length: Math.min(BATCH, count - at) }, (_, i) =>
      node.ports.keyValue.set({
        key: `key:${String(at + i).padStart(12, '0')}`,
        value,
        expiry: { kind: 'default' },
        returnPrevious: false,
        minAcks: 0,
        timeoutMs: 0,
      }),
    );
    await Promise.all(sets);
  }
  if (isSnapshot) {
    await node.ports.admin.rotateWal();
    await node.ports.admin.checkpoint();
  }
  await node.stop();
}

async function start(directory: string): Promise<void> {
  const startedMs = performance.now();
  const node = createNode(directory);
  await node.start(ADDRESS);
  const seconds = (performance.now() - startedMs) / 1_000;
  // Microseconds and kilobytes.
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cpuSeconds = (userCPUTime + systemCPUTime) / 1e6;
  process.stdout.write(JSON.stringify({ seconds, cpuSeconds, peakBytes: maxRSS * 1_024 }));
  await node.stop();
}

const [command, directory = '', count, source] = process.argv.slice(2);
if (command === 'fill') await fill(directory, Number(count), source === 'snapshot');
else await start(directory);
