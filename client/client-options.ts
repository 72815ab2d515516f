/** What a client is opened with: the node or transport, and bounds of what it keeps. */
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
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
import { createNodeClock } from '#platform/node-clock.ts';
import type { QueueLimits } from './batch-queue.ts';
import { invalid } from './operations.ts';
import type { Session } from './session.ts';

export interface WalnutClientOptions extends Partial<QueueLimits> {
  /** `host:port` of a node, which is called over HTTP/2: in clear text, or by TLS as `https://host:port`. */
  readonly address: string;
  /** What an `https://` address needs. Default: the authorities that Node trusts, and no certificate. */
  readonly tls?: ClientTlsOptions;
  /** A token, sent with each call to `address`. */
  readonly token?: string;
  /** True if the token may go to `address` in clear text, though that is not this machine. */
  readonly allowClearText?: boolean;
  /** A Connect or gRPC transport to use instead of `address`. The caller must close it. */
  readonly transport?: Transport;
  /** Share one session between clients whose reads must see each other's writes. By default each client has its own. */
  readonly session?: Session;
  /** How long a Batch may take in addition to the waits of its calls, in milliseconds; default 10,000. */
  readonly timeoutMs?: number;
  /** How long a Get waits on a node that is behind the session, in milliseconds; default 1,000. */
  readonly waitMs?: number;
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

const HTTPS = 'https://';

const LIMITS: QueueLimits = {
  batchOperationsMax: 1_000,
  batchBytesMax: 4_194_304,
  queuedOperationsMax: 100_000,
  queuedBytesMax: 67_108_864,
};
/** Returns the caller's transport, which this client leaves open, or a new one. Throws INVALID_ARGUMENT for a bad address. */
export function openTransport(options: WalnutClientOptions): ClosableTransport {
  const { transport, token, tls } = options;
  if (transport !== undefined) {
    if (token !== undefined) throw invalid('token goes with address: a transport sends headers of its own');
    if (tls !== undefined) throw invalid('tls goes with address: a transport has connections of its own');
    return { transport, close: () => undefined };
  }
  const endpoint = endpointOf(options);
  const clock = createNodeClock();
  if (token === undefined) return createOwnTransport(endpoint, clock);
  checkToken(token, endpoint, options);
  return createOwnTransport({ ...endpoint, authorization: () => `Bearer ${token}` }, clock);
}

function endpointOf({ address, tls }: WalnutClientOptions): Endpoint {
  const isTls = address.startsWith(HTTPS);
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
      throw new ConnectError(
        `${name} is ${value}: expected a whole number from 1 to ${max}`,
        Code.InvalidArgument,
      );
    }
    limits[name] = value;
  }
  return limits;
}
