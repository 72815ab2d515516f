/** What a client is opened with: the node or transport, and bounds of what it keeps. */
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import { type Endpoint, isThisMachine, tryEndpoint } from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import type { ClosableTransport } from '#dial/transport.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import type { QueueLimits } from './batch-queue.ts';
import { invalid } from './operations.ts';
import type { Session } from './session.ts';

export interface WalnutClientOptions extends Partial<QueueLimits> {
  /** `host:port` of a node, which is called over HTTP/2. */
  readonly address: string;
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

const LIMITS: QueueLimits = {
  batchOperationsMax: 1_000,
  batchBytesMax: 4_194_304,
  queuedOperationsMax: 100_000,
  queuedBytesMax: 67_108_864,
};
/** Returns the caller's transport, which this client leaves open, or a new one. Throws INVALID_ARGUMENT for a bad address. */
export function openTransport(options: WalnutClientOptions): ClosableTransport {
  const { address, transport, token } = options;
  if (transport !== undefined) {
    if (token !== undefined) throw invalid('token goes with address: a transport sends headers of its own');
    return { transport, close: () => undefined };
  }
  const endpoint = tryEndpoint(address);
  if (endpoint === undefined) {
    const shown = JSON.stringify(address);
    throw invalid(`address is ${shown}: expected host:port such as 127.0.0.1:8080`);
  }
  const clock = createNodeClock();
  if (token === undefined) return createOwnTransport(endpoint, clock);
  checkToken(token, endpoint, options);
  return createOwnTransport({ ...endpoint, authorization: () => `Bearer ${token}` }, clock);
}

function checkToken(token: string, endpoint: Endpoint, { allowClearText }: WalnutClientOptions): void {
  if (!/^[\w.~+/=-]{1,4096}$/.test(token))
    throw invalid('token is ill-formed: expected what walnut auth new-token printed');
  if (allowClearText === true || isThisMachine(endpoint)) return;
  throw invalid(
    `the token would cross the network to ${endpoint.text} in clear text: expected allowClearText: true`,
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
