/** Opens a replica inside of this process. */
import { Node } from '#node/node.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import type { Clock } from '#platform/clock.ts';
import type { FileSystem } from '#platform/file-system.ts';
import { silentLogger } from '#platform/logger.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { createNodeRandom, type Random } from '#platform/random.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import { connect } from '../client/connect.ts';
import { packageVersion } from '../cmd/run/package-version.ts';
import { EmbeddedReplica } from './embedded-replica.ts';
import {
  checkOptions,
  clientOptionsOf,
  nodeOptionsOf,
  type ReplicaOptions,
  wayOf,
} from './replica-options.ts';

/** Time, chance, disk and links, for tests. */
export interface ReplicaSeams {
  readonly clock?: Clock;
  readonly random?: Random;
  readonly fileSystem?: FileSystem;
  readonly dialer?: PeerDialer;
}

const VISIBLE_MS = 1_000;
const OPEN_MS = 30_000;

/**
 * Opens a replica of the group of `master` in `directory`. Resolves when there is something
 * to read: at once where the directory has data from before, however old (`ready()` waits
 * until it is level, `maxStalenessMs` bounds its age); else when it is level with its master
 * for the first time.
 *
 * Throws INVALID_ARGUMENT for bad options: the client's `CallError` for token, `tls` and
 * session, else a `WalnutError`. Throws `WalOpenError` where the directory cannot be
 * used (locked, damaged, another node's), and `unavailable` where no data came within
 * `openMs`. Its timers keep the process alive: close it, or use `await using`.
 */
export async function openReplica(
  options: ReplicaOptions,
  seams: ReplicaSeams = {},
): Promise<EmbeddedReplica> {
  checkOptions(options);
  const { logger = silentLogger, onFailed } = options;
  const { clock = createNodeClock(), random = createNodeRandom() } = seams;
  const client = connect(clientOptionsOf(options));
  const way = wayOf(options, logger);
  const node = new Node({
    ...nodeOptionsOf(options),
    ...{ clock, random, logger },
    fileSystem: seams.fileSystem ?? createNodeFileSystem(),
    dialer: seams.dialer ?? createPeerDialer({ clock, ...way }),
    version: packageVersion(),
    onFatal: (error) => {
      if (replica.fail(error)) onFailed?.(error);
    },
  });
  node.local.maxStalenessMs = options.maxStalenessMs;
  const replica = new EmbeddedReplica({ node, client, clock, visibleMs: options.visibleMs ?? VISIBLE_MS });
  try {
    await node.start('');
    if (replica.status.position.lsn === 0) await replica.ready({ timeoutMs: options.openMs ?? OPEN_MS });
    return replica;
  } catch (error) {
    // What went wrong first is what the caller is told.
    await replica.close().catch(() => undefined);
    throw error;
  }
}
