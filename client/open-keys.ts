/** The keys that the options of a client name: of one node, of a group, or of a cluster. */
import { GroupRoutes } from '#routing/group-routes.ts';
import { addressesOf, isByTls } from './addresses.ts';
import type { ClientSeams, WalnutClientOptions } from './client-options.ts';
import { ClusterKeys } from './cluster-keys.ts';
import { GroupKeys } from './group-keys.ts';
import type { Keys, KeysOptions } from './keys.ts';
import { ClientMapLinks } from './map-links.ts';
import { NodeLinks } from './node-links.ts';
import { Session } from './session.ts';

/** Throws INVALID_ARGUMENT for addresses that cannot be called. */
export function openKeys(options: WalnutClientOptions, { open }: ClientSeams, how: KeysOptions): Keys {
  const { session = new Session() } = options;
  const addresses = addressesOf(options);
  const isTls = addresses.some(isByTls);
  if (options.cluster !== undefined) {
    const source = new ClientMapLinks(open, addresses);
    const openLinks: ConstructorParameters<typeof ClusterKeys>[1]['openLinks'] = (cluster) =>
      new NodeLinks((address) => open(address, cluster), isTls);
    return new ClusterKeys(how, {
      coordinators: addresses,
      source,
      openLinks,
      isTls,
      session,
    });
  }
  const unfollowed = whyUnfollowed(options, isTls);
  const mayFollow = (): boolean => unfollowed === undefined;
  const links = new NodeLinks(open, isTls, unfollowed);
  for (const address of addresses) links.linkTo(address);
  return new GroupKeys(how, { routes: new GroupRoutes({ addresses, mayFollow }), links, session });
}

/** Why nodes are not called that others name; undefined: they are. */
function whyUnfollowed({ addresses, token }: WalnutClientOptions, isTls: boolean): string | undefined {
  if (addresses === undefined) return 'address is the only node: expected addresses, of which one will do';
  // A credential goes in clear text only to nodes that the caller named.
  return isTls || token === undefined
    ? undefined
    : 'a token goes in clear text to named nodes only: expected it in addresses too, or https://';
}
