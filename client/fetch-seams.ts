/** What a client on `fetch` is made of. */
import { createFetchTransport, type Fetch } from '#dial/fetch-transport.ts';
import { createWebClock } from '#platform/web-clock.ts';
import { createWebRandom } from '#platform/web-random.ts';
import { authorizationTo, endpointOf, givenTransport, isByTls } from './addresses.ts';
import type { ClientSeams, WalnutClientOptions } from './client-options.ts';
import { invalid } from './failures.ts';

/** `call`: for tests. */
export function createFetchSeams(options: WalnutClientOptions, call?: Fetch): ClientSeams {
  const { tls } = options;
  const open: ClientSeams['open'] = (address, cluster) => {
    if (tls !== undefined)
      throw invalid(
        'tls is for Node: expected none with fetch, where the browser or the runtime decides whom it trusts',
      );
    const given = givenTransport(options);
    if (given !== undefined) return given;
    const authorization = authorizationTo(address, options);
    return createFetchTransport({ ...endpointOf(address), cluster, authorization }, isByTls(address), call);
  };
  return { open, clock: createWebClock(), random: createWebRandom() };
}
