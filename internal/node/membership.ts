/** Which replicas may follow a master, as its operator decides: AddReplica and RemoveReplica. */

import { completeAddress } from '#model/address.ts';
import { WalnutError } from '#model/errors.ts';
import { lookAtReplica } from '#node/absent-replicas.ts';
import type { ReplicaList } from '#node/replica-list.ts';
import type { PeerDialer } from '#replication/peer-link.ts';
import type { ReplicaRegistry } from '#replication/replica-registry.ts';

export interface MembershipOptions {
  readonly list: ReplicaList;
  readonly registry: ReplicaRegistry;
  readonly dialer: PeerDialer;
  /** The ids of this node. */
  readonly identity: () => { readonly nodeId: string; readonly logId: string };
  readonly signal: AbortSignal;
}

export class Membership {
  readonly #options: MembershipOptions;

  constructor(options: MembershipOptions) {
    this.#options = options;
  }

  /** Returns what is wrong at the address now, and what to do; empty if nothing is. */
  async add(address: string): Promise<string> {
    const { list, registry, dialer, identity, signal } = this.#options;
    const added = completeAddress(address, '');
    const warning = await lookAtReplica(dialer, added, identity(), signal);
    await list.add(added, (one) => registry.isLiveAt(one));
    return warning;
  }

  /** Throws `not_found` if no node is known by that address. */
  async remove(address: string): Promise<void> {
    const { list, registry } = this.#options;
    const registered = registry.statuses().find((one) => one.address === address);
    if (registered === undefined && !list.known().includes(address))
      throw new WalnutError('not_found', `no replica ${address} is known here: see walnut status`);
    await list.remove(address, registered?.nodeId);
    await registry.remove(address);
  }

  /** Addresses that are known and take no pushes. */
  absent(): string[] {
    const { list, registry } = this.#options;
    return list.known().filter((address) => !registry.isLiveAt(address));
  }
}
