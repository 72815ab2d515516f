/** The entry of the client library on `fetch`: for browsers, and wherever there are no sockets. */
import { optionsOf } from './check-options.ts';
import type { WalnutClientOptions } from './client-options.ts';
import { createFetchSeams } from './fetch-seams.ts';
import { WalnutClient } from './walnut-client.ts';

/** What browsers decide themselves is no option: whom they trust, and the certificates that they show. */
export type FetchClientOptions = Omit<WalnutClientOptions, 'tls'>;

/**
 * Opens a client of a group, as `connect` of Node does, that calls by `fetch`. A node
 * answers pages of other sites only where its `server.cors_origins` names them.
 */
export function connect(nodes: string | readonly string[] | FetchClientOptions): WalnutClient {
  const options = optionsOf(nodes);
  return new WalnutClient(options, createFetchSeams(options));
}
