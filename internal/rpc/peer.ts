/** The other end of a connection. */
import type { Peer } from '#model/access.ts';
import { plainAddress } from '#rpc/protected-mode.ts';

/** A socket, or what stands for one. The gate of TLS puts the names there. */
export interface PeerSocket {
  readonly remoteAddress?: string | undefined;
  readonly certificateNames?: readonly string[] | undefined;
}

export function peerOf({ remoteAddress, certificateNames }: PeerSocket): Peer {
  return { remoteAddress: plainAddress(remoteAddress), certificateNames };
}

/** The peer of a connection that has gone. */
export const NO_PEER: Peer = { remoteAddress: '', certificateNames: undefined };
