/**
 * The credential that a coordinator or a gateway sends to the nodes of its cluster. It calls only
 * addresses that the map or its own configuration lists; operators made the map of nodes that were known. Over TLS these
 * are verified; in clear text the credential leaves this machine only where
 * `auth.allow_clear_text` says so.
 */
import type { ConfigOf } from '#config/binaries.ts';
import { isConfidential } from '#dial/endpoint.ts';
import type { PeerCredential } from '#peer/peer-credential.ts';
import { LinePaces } from '#platform/line-pace.ts';
import { openToken, type SecurityParts } from './node-security.ts';

/** Undefined: none is sent. Throws `SecretFileError` where the file cannot be used. */
export async function openClusterCredential(
  { peer, auth }: Pick<ConfigOf<'coordinator' | 'gateway'>, 'peer' | 'auth'>,
  parts: SecurityParts,
): Promise<PeerCredential | undefined> {
  if (peer.tokenFile === undefined) return undefined;
  const authorization = await openToken(peer.tokenFile, parts);
  const paces = new LinePaces(parts.clock);
  return {
    withCredential: (endpoint) => {
      if (auth.allowClearText || isConfidential(endpoint)) return { ...endpoint, authorization };
      const pace = paces.take(endpoint.text);
      const message =
        'no credential is sent in clear text to another machine: see peer.tls and auth.allow_clear_text';
      if (pace !== undefined) parts.logger.warn({ address: endpoint.text, ...pace }, message);
      return endpoint;
    },
  };
}
