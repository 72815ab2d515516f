/** The nodes that options name, and what may be sent to them. */
import { Code } from '@connectrpc/connect';
import type { ClosableTransport } from '#dial/closable-transport.ts';
import { type Endpoint, isConfidential, tryEndpoint, writtenAddress } from '#dial/endpoint.ts';
import { messageOf } from '#platform/thrown.ts';
import type { WalnutClientOptions } from './client-options.ts';
import { invalid, refusedHere } from './failures.ts';

const HTTPS = 'https://';
export const ADDRESSES_MAX = 32;
/** The port of nodes, also of the tool's `--address`. */
const PORT_DEFAULT = 8080;

/** The addresses to call: of nodes, or with `cluster` of coordinators. Throws INVALID_ARGUMENT unless they are given in one way. */
export function addressesOf({
  address,
  addresses,
  cluster,
  transport,
  readFrom,
}: WalnutClientOptions): string[] {
  if (cluster !== undefined) {
    const others = Object.entries({ address, addresses, transport }).filter(([, one]) => one !== undefined);
    if (others.length > 0) throw invalid(`cluster and ${others[0]?.[0]} are given: expected one of them`);
    return listed('cluster', cluster);
  }
  if (transport !== undefined) return [address ?? 'transport'];
  if (addresses === undefined) {
    if (readFrom !== undefined && readFrom !== 'master')
      throw invalid(`readFrom is ${readFrom}: expected addresses with it, since address is the only node`);
    if (address === undefined)
      throw invalid('no node is named: expected addresses, such as ["127.0.0.1:8080"], or cluster');
    return [withPort(address)];
  }
  if (address !== undefined) throw invalid('address and addresses are given: expected one of them');
  return listed('addresses', addresses.map(withPort));
}

/** The address of a node with the default port, where it names none; another text as it is. */
function withPort(address: string): string {
  return /^(https:\/\/)?(\[[\da-fA-F:.]+\]|[^\s:/[\]]+)$/.test(address)
    ? `${address}:${PORT_DEFAULT}`
    : address;
}

/** Each once. */
function listed(name: string, addresses: readonly string[]): string[] {
  if (addresses.length === 0 || addresses.length > ADDRESSES_MAX)
    throw invalid(`${name} has ${addresses.length}: expected 1 to ${ADDRESSES_MAX}`);
  if (new Set(addresses.map(isByTls)).size > 1)
    throw invalid(`some of ${name} begin with https:// and some do not: expected all or none`);
  return [...new Set(addresses)];
}

/** True if the address is called by TLS. */
export function isByTls(address: string): boolean {
  return address.startsWith(HTTPS);
}

/** The caller's transport, which this client leaves open; undefined: the client opens its own. */
export function givenTransport({
  transport,
  token,
  tls,
}: WalnutClientOptions): ClosableTransport | undefined {
  if (transport === undefined) return undefined;
  if (token !== undefined)
    throw invalid('token goes with address: expected it in the headers that the transport sends');
  if (tls !== undefined)
    throw invalid('tls goes with address: expected a transport that calls by TLS itself');
  return { transport, close: () => undefined };
}

/** The endpoint of an address, `https://` or not, without the means for TLS. Throws INVALID_ARGUMENT. */
export function endpointOf(address: string): Endpoint {
  const endpoint = tryEndpoint(isByTls(address) ? address.slice(HTTPS.length) : address);
  if (endpoint !== undefined) return endpoint;
  const shown = JSON.stringify(address);
  throw invalid(`address is ${shown}: expected host:port such as 127.0.0.1:8080, or https://host:port`);
}

/**
 * Gives the `authorization` header of each call to the address; undefined: calls have none. Throws
 * INVALID_ARGUMENT unless the token may go there. With a function as `token` each call rejects
 * that has none: with INVALID_ARGUMENT for one that is ill-formed, else with UNAUTHENTICATED.
 */
export function authorizationTo(address: string, options: WalnutClientOptions): (() => string) | undefined {
  const { token } = options;
  if (token === undefined) return undefined;
  checkClearText(address, options);
  if (typeof token === 'function') return () => bearer(askedToken(token));
  const header = bearer(token);
  return () => header;
}

function bearer(token: unknown): string {
  if (typeof token === 'string' && /^[\w.~+/=-]{1,4096}$/.test(token)) return `Bearer ${token}`;
  if (token instanceof Promise) {
    token.catch(() => undefined);
    throw invalid(
      'token gives a promise: expected a function that gives the token itself, which the program keeps',
    );
  }
  throw invalid('token is ill-formed: expected what walnut auth new-token printed');
}

function askedToken(ask: () => string): unknown {
  try {
    return ask();
  } catch (error) {
    throw refusedHere(`token has thrown, expected a token: ${messageOf(error)}`, Code.Unauthenticated);
  }
}

function checkClearText(address: string, { allowClearText }: WalnutClientOptions): void {
  const endpoint = endpointOf(address);
  if (allowClearText === true || isByTls(address) || isConfidential(endpoint)) return;
  throw invalid(
    `the token would cross the network to ${endpoint.text} in clear text: expected ${writtenAddress(endpoint.text, true)}, or allowClearText: true`,
  );
}
