/** What a client in Node is made of: our own HTTP/2 over sockets, by TLS or in clear text. */

import type { ClosableTransport } from '#dial/closable-transport.ts';
import { type Endpoint, type TlsDialer, writtenAddress } from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import type { Clock } from '#platform/clock.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { createNodeRandom } from '#platform/random.ts';
import { checkTlsMaterial } from '#tls/tls-material.ts';
import { authorizationTo, endpointOf, givenTransport, isByTls } from './addresses.ts';
import type { ClientSeams, ClientTlsOptions, MeantClusterOf, WalnutClientOptions } from './client-options.ts';
import { invalid } from './failures.ts';

export function createNodeSeams(options: WalnutClientOptions): ClientSeams {
  const clock = createNodeClock();
  const open: ClientSeams['open'] = (address, cluster) => openTransport(options, address, cluster, clock);
  return { open, clock, random: createNodeRandom() };
}

function openTransport(
  options: WalnutClientOptions,
  address: string,
  cluster: MeantClusterOf | undefined,
  clock: Clock,
): ClosableTransport {
  const given = givenTransport(options);
  if (given !== undefined) return given;
  const authorization = authorizationTo(address, options);
  return createOwnTransport({ ...securedOf(address, options.tls), cluster, authorization }, clock);
}

function securedOf(address: string, tls: ClientTlsOptions | undefined): Endpoint {
  const endpoint = endpointOf(address);
  if (isByTls(address)) return { ...endpoint, tls: createDialer(tls ?? {}) };
  if (tls === undefined) return endpoint;
  throw invalid(`tls goes with an address by TLS: expected ${writtenAddress(address, true)}`);
}

/** What messages call the parts. */
const PATHS = { ca: 'tls.ca', cert: 'tls.cert', key: 'tls.key' };

/** Throws INVALID_ARGUMENT for texts that cannot be used. */
export function createDialer({ ca, cert, key, serverName }: ClientTlsOptions): TlsDialer {
  if ((cert === undefined) !== (key === undefined)) throw invalid('expected tls.cert and tls.key together');
  try {
    const { parts: material } = checkTlsMaterial({ ca, cert, key }, PATHS);
    return createTlsDialer({ material: () => material, serverName });
  } catch (error) {
    throw invalid(`tls cannot be used: ${(error as Error).message}`);
  }
}
