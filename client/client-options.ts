/** What a client is opened with: the node or transport, and bounds of what it keeps. */
import type { Transport } from '@connectrpc/connect';
import {
  type Endpoint,
  isConfidential,
  type TlsDialer,
  tryEndpoint,
  writtenAddress,
} from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import type { ClosableTransport } from '#dial/transport.ts';
import type { Clock } from '#platform/clock.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import type { Random } from '#platform/random.ts';
import type { Told } from '#routing/failure.ts';
import type { ReadPolicy } from '#routing/group-routes.ts';
import type { QueueLimits } from './batch-queue.ts';
import { invalid } from './failures.ts';
import type { NearOptions } from './near-cache.ts';
import type { Session } from './session.ts';

export interface WalnutClientOptions extends Partial<QueueLimits> {
  /** `host:port` of the only node that is called, over HTTP/2: in clear text, or by TLS as `https://host:port`. */
  readonly address?: string;
  /**
   * Nodes of one group, instead of `address`, all by TLS or none. Writes go to the master,
   * reads where `readFrom` says. Nodes that these name are called too, but without TLS
   * only if there is no token.
   */
  readonly addresses?: readonly string[];
  /**
   * With `addresses`: who answers reads; default `master`. `replica`: replicas, and the
   * master where none can. `nearest`: who has answered fastest recently. A session's reads
   * see its own writes, and never go back in time, wherever they go.
   */
  readonly readFrom?: ReadPolicy;
  /** What `https://` addresses need. Default: the authorities that Node trusts, and no certificate. */
  readonly tls?: ClientTlsOptions;
  /** A token, sent with each call: in clear text only to these addresses. */
  readonly token?: string;
  /** True if the token may go there in clear text, though it is not this machine. */
  readonly allowClearText?: boolean;
  /** A Connect or gRPC transport to use instead of an address. The caller must close it. */
  readonly transport?: Transport;
  /** Share one session between clients whose reads must see each other's writes. By default each client has its own. */
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
  /** Called for each attempt that failed and is followed by another. */
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

/** Time, chance and the ways to nodes, for tests. */
export interface ClientSeams {
  readonly open?: (address: string) => ClosableTransport;
  readonly clock: Clock;
  readonly random: Random;
}

const HTTPS = 'https://';
const ADDRESSES_MAX = 32;

const LIMITS: QueueLimits = {
  batchOperationsMax: 1_000,
  batchBytesMax: 4_194_304,
  queuedOperationsMax: 100_000,
  queuedBytesMax: 67_108_864,
};

/** The addresses to call. Throws INVALID_ARGUMENT unless they are given in one way. */
export function addressesOf({ address, addresses, transport, readFrom }: WalnutClientOptions): string[] {
  if (transport !== undefined) return [address ?? 'transport'];
  if (addresses === undefined) {
    if (readFrom !== undefined && readFrom !== 'master')
      throw invalid(`readFrom is ${readFrom}: expected addresses with it, since address is the only node`);
    if (address === undefined)
      throw invalid('no node is named: expected addresses, such as ["127.0.0.1:8080"]');
    return [address];
  }
  if (address !== undefined) throw invalid('address and addresses are given: expected one of them');
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX)
    throw invalid(`addresses has ${addresses.length}: expected 1 to ${ADDRESSES_MAX}`);
  if (new Set(addresses.map(isByTls)).size > 1)
    throw invalid('some of addresses begin with https:// and some do not: expected all or none');
  return [...new Set(addresses)];
}

/** True if the address is called by TLS. */
export function isByTls(address: string): boolean {
  return address.startsWith(HTTPS);
}

/** Returns the caller's transport, which this client leaves open, or a new one to `address`. Throws INVALID_ARGUMENT for a bad address. */
export function openTransport(options: WalnutClientOptions, address: string): ClosableTransport {
  const { transport, token, tls } = options;
  if (transport !== undefined) {
    if (token !== undefined) throw invalid('token goes with address: a transport sends headers of its own');
    if (tls !== undefined) throw invalid('tls goes with address: a transport has connections of its own');
    return { transport, close: () => undefined };
  }
  const endpoint = endpointOf(address, tls);
  const clock = createNodeClock();
  if (token === undefined) return createOwnTransport(endpoint, clock);
  checkToken(token, endpoint, options);
  return createOwnTransport({ ...endpoint, authorization: () => `Bearer ${token}` }, clock);
}

function endpointOf(address: string, tls: ClientTlsOptions | undefined): Endpoint {
  const isTls = isByTls(address);
  const endpoint = tryEndpoint(isTls ? address.slice(HTTPS.length) : address);
  if (endpoint === undefined) {
    const shown = JSON.stringify(address);
    throw invalid(`address is ${shown}: expected host:port such as 127.0.0.1:8080, or https://host:port`);
  }
  if (isTls) return { ...endpoint, tls: createDialer(tls ?? {}) };
  if (tls === undefined) return endpoint;
  throw invalid(`tls goes with an address by TLS: expected ${writtenAddress(address, true)}`);
}

function createDialer({ ca, cert, key, serverName }: ClientTlsOptions): TlsDialer {
  if ((cert === undefined) !== (key === undefined)) throw invalid('expected tls.cert and tls.key together');
  const material = { ca, cert, key };
  try {
    return createTlsDialer({ material: () => material, serverName });
  } catch (error) {
    throw invalid(`tls cannot be used: ${(error as Error).message}`);
  }
}

function checkToken(token: string, endpoint: Endpoint, { allowClearText }: WalnutClientOptions): void {
  if (!/^[\w.~+/=-]{1,4096}$/.test(token))
    throw invalid('token is ill-formed: expected what walnut auth new-token printed');
  if (allowClearText === true || isConfidential(endpoint)) return;
  throw invalid(
    `the token would cross the network to ${endpoint.text} in clear text: expected ${writtenAddress(endpoint.text, true)}, or allowClearText: true`,
  );
}

/** Throws INVALID_ARGUMENT for a limit that is out of range. */
export function limitsOf(options: WalnutClientOptions): QueueLimits {
  const limits = { ...LIMITS };
  for (const name of Object.keys(LIMITS) as (keyof QueueLimits)[]) {
    const value = options[name];
    if (value === undefined) continue;
    const max = name === 'batchOperationsMax' ? LIMITS.batchOperationsMax : Number.MAX_SAFE_INTEGER;
    if (!Number.isInteger(value) || value < 1 || value > max) {
      throw invalid(`${name} is ${value}: expected a whole number from 1 to ${max}`);
    }
    limits[name] = value;
  }
  return limits;
}
