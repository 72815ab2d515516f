/** What a client on `fetch` is made of. */
import { createFetchTransport, type Fetch } from '#dial/fetch-transport.ts';
import { createWebClock } from '#platform/web-clock.ts';
import { createWebRandom } from '#platform/web-random.ts';
import { checkToken, endpointOf, givenTransport, isByTls } from './addresses.ts';
import type { ClientSeams, WalnutClientOptions } from './client-options.ts';
import { invalid } from './failures.ts';

/** `call`: for tests. */
export function createFetchSeams(options: WalnutClientOptions, call?: Fetch): ClientSeams {
  const { token, tls } = options;
  const open: ClientSeams['open'] = (address, cluster) => {
    if (tls !== undefined)
      throw invalid('tls is for Node: with fetch, the browser or the runtime decides whom it trusts');
    const given = givenTransport(options);
    if (given !== undefined) return given;
    const endpoint = { ...endpointOf(address), cluster };
    if (token === undefined) return createFetchTransport(endpoint, isByTls(address), call);
    checkToken(token, address, options);
    const authorization = (): string => `Bearer ${token}`;
    return createFetchTransport({ ...endpoint, authorization }, isByTls(address), call);
  };
  return { open, clock: createWebClock(), random: createWebRandom() };
}
