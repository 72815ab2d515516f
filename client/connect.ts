/** The entry of the client library in Node. */
import { optionsOf } from './check-options.ts';
import type { WalnutClientOptions } from './client-options.ts';
import { createNodeSeams } from './node-seams.ts';
import { WalnutClient } from './walnut-client.ts';

/**
 * Opens a client of a group. `nodes` are `host:port` of some of its nodes, one is enough
 * where it can name the others, or all options. Nothing is called before the first call.
 * Close it with `close`, or by `await using`. Throws INVALID_ARGUMENT for bad options.
 */
export function connect(nodes: string | readonly string[] | WalnutClientOptions): WalnutClient {
  const options = optionsOf(nodes);
  return new WalnutClient(options, createNodeSeams(options));
}
