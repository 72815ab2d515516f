/** What a client is opened with: the nodes or a transport, and bounds of what it keeps. */
import type { Transport } from '@connectrpc/connect';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import type { MeantCluster } from '#dial/meant-cluster.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import { shown } from '#platform/shown.ts';
import type { Told } from '#routing/failure.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { QueueLimits } from './batch-queue.ts';
import { invalid } from './failures.ts';
import type { NearOptions } from './near-cache.ts';
import type { Session } from './session.ts';

export interface WalnutClientOptions extends Partial<QueueLimits> {
  /** `host:port` of the only node that is called (without `:port` it is 8080), over HTTP/2: in clear text, or by TLS as `https://host:port`. */
  readonly address?: string;
  /**
   * Nodes of one group, instead of `address` and written as it is, all by TLS or none. Writes go to the master,
   * reads where `readFrom` says. Nodes that these name are called too, but without TLS
   * only if there is no token.
   */
  readonly addresses?: readonly string[];
  /**
   * Coordinators of a cluster, instead of `addresses`, all by TLS or none: any of them will do.
   * They tell which group owns which keys, and each call goes straight to a node of its group,
   * by TLS if coordinators are called so. `token` is sent to the nodes of the map, too.
   */
  readonly cluster?: readonly string[];
  /**
   * With `addresses` and `cluster`: who answers reads; default `master`. `replica`: replicas, and the
   * master where none can. `nearest`: who has answered fastest recently. A session's reads
   * see its own writes, and never go back in time, wherever they go.
   */
  readonly readFrom?: ReadPolicy;
  /** What `https://` addresses need. Default: the authorities that Node trusts, and no certificate. */
  readonly tls?: ClientTlsOptions;
  /**
   * A token, sent with each call: in clear text only to these addresses. Or what gives it for each call, where it
   * changes while the client is open: called often, so it is to give what the program has in memory.
   */
  readonly token?: string | (() => string);
  /** True if the token may go there in clear text, though it is not this machine. */
  readonly allowClearText?: boolean;
  /** A Connect or gRPC transport to use instead of an address. The caller must close it. */
  readonly transport?: Transport;
  /**
   * Share one session between clients whose reads must see each other's writes. By default each
   * client has its own. A client of a cluster begins with what the session has seen, and does
   * not move it: `client.session` is a copy of what that client has seen.
   */
  readonly session?: Session;
  /** How long a call may take with its repeats, in addition to what it asks to wait, in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  /** How long one attempt of it may take, where others can follow, in milliseconds; default 1,000. */
  readonly attemptMs?: number;
  /** How long a Get waits on a node that is behind the session, in milliseconds; default 1,000. */
  readonly waitMs?: number;
  /**
   * False: writes have no names but those that their callers give them, and are repeated
   * only where nothing was done. Default true; a group with a replica of version 0.1
   * refuses such names with FAILED_PRECONDITION.
   */
  readonly namedWrites?: boolean;
  /** Keep entries in this process's memory, right by a watch; default: do not. */
  readonly near?: NearOptions;
  /** Called for each attempt that failed and is followed by another; what it throws is ignored. */
  readonly onRetry?: (told: Told, error: unknown) => void;
}

/** Texts in PEM, and a name. */
export interface ClientTlsOptions {
  /** The authorities that sign the certificates of nodes. */
  readonly ca?: string;
  /** The certificate of this client, and its key. */
  readonly cert?: string;
  readonly key?: string;
  /** The name that certificates of nodes are for. Default: the host of `address`. */
  readonly serverName?: string;
}

/** Gives the cluster that each call is for, and the epoch of its map; undefined: any. */
export type MeantClusterOf = () => MeantCluster | undefined;

/** Time, chance and the ways to nodes: those of Node, of browsers or of tests. */
export interface ClientSeams {
  /** Throws INVALID_ARGUMENT for an address that cannot be called with the options. */
  readonly open: (address: string, cluster?: MeantClusterOf) => ClosableTransport;
  readonly clock: Clock;
  readonly random: Random;
}

const LIMITS: QueueLimits = {
  batchOperationsMax: 1_000,
  batchBytesMax: 4_194_304,
  queuedOperationsMax: 100_000,
  queuedBytesMax: 67_108_864,
};

/** Throws INVALID_ARGUMENT for a limit that is out of range. */
export function limitsOf(options: WalnutClientOptions): QueueLimits {
  const limits = { ...LIMITS };
  for (const name of Object.keys(LIMITS) as (keyof QueueLimits)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const max = name === 'batchOperationsMax' ? LIMITS.batchOperationsMax : Number.MAX_SAFE_INTEGER;
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw invalid(`${name} is ${shown(value)}: expected a whole number from 1 to ${max}`);
    }
    limits[name] = value;
  }
  return limits;
}
