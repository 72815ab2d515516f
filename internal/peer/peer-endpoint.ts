/** How this node calls another one: by TLS or in clear text, with its credential or without. */
import { type Endpoint, type TlsDialer, tryEndpoint } from '#dial/endpoint.ts';
import { ADDRESS_CHARACTERS_MAX } from '#model/address.ts';
import type { PeerCredential } from '#peer/peer-credential.ts';

export interface PeerWay {
  /** Undefined: others are called in clear text. Otherwise they never are. */
  readonly tls?: TlsDialer | undefined;
  /** Undefined: this node sends no credential. */
  readonly credential?: PeerCredential | undefined;
}

/** For an `address` of which `peerEndpoint` makes none. */
export function notAnAddress(address: string): string {
  return `${JSON.stringify(address.slice(0, ADDRESS_CHARACTERS_MAX))} is no address: expected host:port`;
}

/** Undefined where `address` is not `host:port`. */
export function peerEndpoint(address: string, { tls, credential }: PeerWay): Endpoint | undefined {
  const named = tryEndpoint(address);
  if (named === undefined) return undefined;
  const endpoint = { ...named, tls };
  return credential?.withCredential(endpoint) ?? endpoint;
}
