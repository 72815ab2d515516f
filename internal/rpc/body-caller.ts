/** The caller of a body, and the name under which its bodies are counted together. */
import { ANONYMOUS, type Peer, type Principal } from '#model/access.ts';
import { networkOf } from '#platform/network-of.ts';

export interface BodyCaller {
  readonly principal: Principal;
  readonly peer: Peer;
}

/**
 * Equal for the calls of one user, whichever token or certificate they bring, and for those of
 * one network where nobody is known. A user never has the text of a network.
 */
export function ownerOf({ principal, peer }: BodyCaller): string {
  return principal === ANONYMOUS ? `from ${networkOf(peer.remoteAddress)}` : `user ${principal.name}`;
}
