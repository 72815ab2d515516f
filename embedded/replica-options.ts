/** What an embedded replica is opened with, checked, and what follows from it. */
import { tryEndpoint } from '#dial/endpoint.ts';
import { invalidArgument } from '#model/errors.ts';
import { FSYNC_POLICIES, type FsyncPolicy } from '#model/fsync-policy.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { createPeerCredential } from '#peer/peer-credential.ts';
import type { PeerWay } from '#peer/peer-endpoint.ts';
import type { Logger } from '#platform/logger.ts';
import { shown } from '#platform/shown.ts';
import { ADDRESSES_MAX, isByTls } from '../client/addresses.ts';
import type { ClientTlsOptions, WalnutClientOptions } from '../client/client-options.ts';
import { createDialer } from '../client/node-seams.ts';
import type { Session } from '../client/session.ts';
import { checkFunction, checkLogger, checkMs, checkNames, type OptionNames } from './check-options.ts';

export interface ReplicaOptions {
  /**
   * `host:port` of the master, or of any nodes of its group: the master is found by them.
   * By TLS as `https://host:port`, all or none.
   */
  readonly master: string | readonly string[];
  /** The directory of its log and snapshots, its own alone. It is made where it is missing. */
  readonly directory: string;
  /** What `https://` addresses need; see `WalnutClientOptions`. */
  readonly tls?: ClientTlsOptions;
  /** A token of a user with the role `observer`, and `writer` to write. */
  readonly token?: string;
  /** True if the token may go to another machine in clear text. */
  readonly allowClearText?: boolean;
  /** Reads throw UNAVAILABLE where the data is older than this, milliseconds. Default: they never do. */
  readonly maxStalenessMs?: number;
  /** How long a write waits until it is visible here, milliseconds; default 1,000, and 0: not at all. */
  readonly visibleMs?: number;
  /** How long `openReplica` waits for data where the directory has none, milliseconds; default 30,000. */
  readonly openMs?: number;
  /** `wal.fsync` of the log here; default `interval`, once a second. */
  readonly fsync?: FsyncPolicy;
  /** Share it with clients whose reads must see the writes of this replica, and the other way round. */
  readonly session?: Session;
  /** Called with what the replica logs; default: nothing is. */
  readonly logger?: Logger;
  /** Called once if the disk fails: reads throw from then on. Close the replica. */
  readonly onFailed?: (error: Error) => void;
}

const NAMES = {
  master: true,
  directory: true,
  tls: true,
  token: true,
  allowClearText: true,
  maxStalenessMs: true,
  visibleMs: true,
  openMs: true,
  fsync: true,
  session: true,
  logger: true,
  onFailed: true,
} satisfies OptionNames<ReplicaOptions>;
const MIB = 1_048_576;
const HTTPS = 'https://';

/** Throws `invalid_argument` for options that the client does not check. */
export function checkOptions(options: ReplicaOptions): void {
  checkNames(options, NAMES);
  nodesOf(options);
  const { directory, fsync } = options;
  if (typeof directory !== 'string' || directory === '')
    throw invalidArgument(`directory is ${shown(directory)}: expected a path, such as ./replica`);
  if (fsync !== undefined && !FSYNC_POLICIES.includes(fsync))
    throw invalidArgument(`fsync is ${shown(fsync)}: expected ${FSYNC_POLICIES.join(', ')}`);
  for (const name of ['maxStalenessMs', 'visibleMs', 'openMs'] as const) checkMs(name, options[name]);
  checkLogger(options.logger);
  checkFunction('onFailed', options.onFailed);
}

/** Throws `invalid_argument` for bad addresses. */
function nodesOf({ master }: ReplicaOptions): { addresses: string[]; isTls: boolean } {
  const nodes: readonly unknown[] | undefined = typeof master === 'string' ? [master] : master;
  if (!isTexts(nodes))
    throw invalidArgument(`master is ${shown(master)}: expected host:port such as 127.0.0.1:8080, or a list`);
  if (nodes.length === 0 || nodes.length > ADDRESSES_MAX)
    throw invalidArgument(`master names ${nodes.length} nodes: expected 1 to ${ADDRESSES_MAX}`);
  const isTls = nodes.some(isByTls);
  const addresses = nodes.map((node) => (isTls ? node.replace(HTTPS, '') : node));
  for (const [at, address] of addresses.entries()) {
    const isLikeOthers = isByTls(nodes[at] ?? '') === isTls;
    if (isLikeOthers && tryEndpoint(address) !== undefined) continue;
    throw invalidArgument(
      `master is ${JSON.stringify(nodes[at])}: expected host:port such as 127.0.0.1:8080, or https://host:port for all`,
    );
  }
  return { addresses, isTls };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** Options for the client that writes. */
export function clientOptionsOf({
  master,
  tls,
  token,
  allowClearText,
  session,
}: ReplicaOptions): WalnutClientOptions {
  return {
    addresses: typeof master === 'string' ? [master] : [...master],
    ...(tls === undefined ? {} : { tls }),
    ...(token === undefined ? {} : { token }),
    ...(allowClearText === undefined ? {} : { allowClearText }),
    ...(session === undefined ? {} : { session }),
  };
}

/** How the replica calls its master. Throws for a token or `tls` that the client refuses: open that first. */
export function wayOf(options: ReplicaOptions, logger: Logger): PeerWay {
  const { addresses, isTls } = nodesOf(options);
  const { token, tls } = options;
  const credential =
    token === undefined
      ? undefined
      : createPeerCredential({
          authorization: () => `Bearer ${token}`,
          addresses,
          isNameConfigured: tls?.serverName !== undefined,
          onWithheld: (address) =>
            logger.warn(
              { address },
              'no token is sent to a node that openReplica was not told: name it in master',
            ),
        });
  return { tls: isTls ? createDialer(tls ?? {}) : undefined, credential };
}

type Configured = Omit<
  NodeOptions,
  'fileSystem' | 'clock' | 'random' | 'logger' | 'dialer' | 'version' | 'onFatal'
>;

/** The node behind the replica. The limits of its store are those of the log. */
export function nodeOptionsOf(options: ReplicaOptions): Configured {
  const [first = '', ...others] = nodesOf(options).addresses;
  return {
    role: 'replica',
    isObserver: true,
    upstream: first,
    replicas: others,
    directory: options.directory,
    fsync: options.fsync ?? 'interval',
    walSyncIntervalMs: 1_000,
    maxFileBytes: 32 * MIB,
    retentionBytes: 32 * MIB,
    snapshotEveryBytes: 128 * MIB,
    limits: { entriesMax: 0, bytesMax: 0, policy: 'lru' },
    defaultTtlMs: 0,
    scrubIntervalMs: 3_600_000,
    pushIntervalMs: 10,
    heartbeatMs: 250,
    maxLagMs: options.maxStalenessMs ?? 5_000,
    serveStale: true,
    pullIntervalMs: 1_000,
    asideBytesMax: 256 * MIB,
    asideAgeMaxMs: 7 * 86_400_000,
  };
}
