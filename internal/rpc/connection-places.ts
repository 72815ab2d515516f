/**
 * The connections that a server takes, and who gets one. Callers are counted by network,
 * so that one of them cannot take all; some places are kept for other nodes of the group,
 * which are known by what they called. Pure.
 */
import { networkOf } from '#platform/network-of.ts';
import { isLoopbackAddress } from '#rpc/protected-mode.ts';

/** Places that only other nodes may take, or fewer where there are few. */
const RESERVED_MAX = 64;
/** Networks of other nodes that are remembered, the last ones. */
const NODES_MAX = 256;

export interface PlacesOptions {
  readonly connectionsMax: number;
  /** How many one network may have; those on this machine are not counted, as a proxy may speak for many. */
  readonly perAddressMax: number;
}

/** Which places are all taken. */
export type Full = 'all' | 'address';

export class ConnectionPlaces {
  readonly #max: number;
  readonly #perAddressMax: number;
  readonly #reserved: number;
  readonly #byNetwork = new Map<string, number>();
  readonly #nodes = new Set<string>();
  #taken = 0;

  constructor({ connectionsMax, perAddressMax }: PlacesOptions) {
    this.#max = connectionsMax;
    this.#perAddressMax = perAddressMax;
    this.#reserved = Math.min(RESERVED_MAX, Math.floor(connectionsMax / 16));
  }

  /** `address`: of the peer. Undefined: it has a place, until `leave` is called with the same address. */
  tryTake(address: string): Full | undefined {
    const network = networkOf(address);
    const ofNetwork = this.#byNetwork.get(network) ?? 0;
    const isNode = this.#nodes.has(network);
    if (this.#taken >= this.#max - (isNode ? 0 : this.#reserved)) return 'all';
    if (ofNetwork >= this.#perAddressMax && !isNode && !isLoopbackAddress(address)) return 'address';
    this.#byNetwork.set(network, ofNetwork + 1);
    this.#taken++;
    return undefined;
  }

  leave(address: string): void {
    const network = networkOf(address);
    const ofNetwork = (this.#byNetwork.get(network) ?? 1) - 1;
    if (ofNetwork === 0) this.#byNetwork.delete(network);
    else this.#byNetwork.set(network, ofNetwork);
    this.#taken--;
  }

  /** Another node of the group called from there. */
  favour(address: string): void {
    const network = networkOf(address);
    this.#nodes.delete(network);
    const [first] = this.#nodes;
    if (this.#nodes.size >= NODES_MAX && first !== undefined) this.#nodes.delete(first);
    this.#nodes.add(network);
  }
}
