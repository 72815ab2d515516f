/**
 * The credential that this node sends to the others of its group: to the addresses that
 * its own configuration names. What a peer advertised, announced or hinted at is somebody's
 * word, and who gave it would collect the token; such an address gets it only over TLS, and
 * only if its certificate is for a name that this node's configuration gives.
 */
import type { Endpoint } from '#dial/endpoint.ts';

export interface PeerCredential {
  /** The endpoint as it is called: with the credential if it may be sent there. */
  withCredential(endpoint: Endpoint): Endpoint;
}

export interface PeerCredentialOptions {
  /** The value of the `authorization` header now. */
  readonly authorization: () => string;
  /** `host:port` of configured addresses. */
  readonly addresses: readonly string[];
  /** True if TLS verifies the same configured name for every address: `peer.tls.server_name`. */
  readonly isNameConfigured: boolean;
  /** Called for each call to an address that is not configured. */
  readonly onWithheld: (address: string) => void;
}

export function createPeerCredential({
  authorization,
  addresses,
  isNameConfigured,
  onWithheld,
}: PeerCredentialOptions): PeerCredential {
  const configured = new Set(addresses.map((address) => address.toLowerCase()));
  return {
    withCredential: (endpoint) => {
      const isVerified = isNameConfigured && endpoint.tls !== undefined;
      if (isVerified || configured.has(endpoint.text.toLowerCase())) return { ...endpoint, authorization };
      onWithheld(endpoint.text);
      return endpoint;
    },
  };
}
