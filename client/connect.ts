/** The entry of the client library: what programs import. */
import type { WalnutClientOptions } from './client-options.ts';
import { WalnutClient } from './walnut-client.ts';

/**
 * Opens a client of a group. `nodes` are `host:port` of some of its nodes, one is enough
 * where it can name the others, or all options. Nothing is called before the first call.
 * Close it with `close`, or by `await using`. Throws INVALID_ARGUMENT for bad options.
 */
export function connect(nodes: string | readonly string[] | WalnutClientOptions): WalnutClient {
  if (typeof nodes === 'string') return new WalnutClient({ addresses: [nodes] });
  if (Array.isArray(nodes)) return new WalnutClient({ addresses: nodes as readonly string[] });
  return new WalnutClient(nodes as WalnutClientOptions);
}
