/**
 * The replicas that MANIFEST and the configuration name: which may register, and
 * which are asked and told.
 */

import { manifestOf } from '#engine/manifest-access.ts';
import type { GroupMembers, NodeAddress } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import {
  type KnownReplicas,
  removedAs,
  withAdded,
  withRegistered,
  withRemoved,
} from '#replication/known-replicas.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

type IsLive = (address: string) => boolean;

export class ReplicaList {
  readonly #directory: WalDirectory;
  readonly #configured: readonly string[];
  /** Made from `#groupOf`; the same object until something changes. */
  #group: GroupMembers = { replicas: [], removed: [], nodes: [] };
  #groupOf: KnownReplicas | undefined;

  /** `configured`: `replication.replicas`. */
  constructor(directory: WalDirectory, configured: readonly string[]) {
    this.#directory = directory;
    this.#configured = configured;
  }

  /** Addresses of all nodes that may have newer history than this one. */
  known(): string[] {
    const { added, removed } = this.#list;
    return [...new Set([...this.#configured, ...added])].filter((address) => !removed.includes(address));
  }

  group(): GroupMembers {
    const list = this.#list;
    if (list !== this.#groupOf) {
      this.#group = { replicas: this.known(), removed: list.removed, nodes: list.nodes ?? [] };
      this.#groupOf = list;
    }
    return this.#group;
  }

  removedAs(node: NodeAddress): string | undefined {
    return removedAs(this.#list, node);
  }

  async remember(node: NodeAddress, isLive: IsLive): Promise<void> {
    if (withRegistered(this.#list, node, isLive) === this.#list) return;
    await this.#change((list) => withRegistered(list, node, isLive));
  }

  /** An operator adds an address, or takes it back. */
  add(address: string, isLive: IsLive): Promise<void> {
    return this.#change((list) => withAdded(list, address, isLive));
  }

  /** `nodeId`: the node that is registered there, if any. */
  remove(address: string, nodeId: string | undefined): Promise<void> {
    return this.#change((list) => withRemoved(list, address, nodeId));
  }

  get #list(): KnownReplicas {
    return manifestOf(this.#directory).replicas;
  }

  /** Changes the list as it is at that moment, so that two changes do not undo each other. */
  #change(change: (list: KnownReplicas) => KnownReplicas): Promise<void> {
    return this.#directory.update((manifest) => {
      assert(manifest !== undefined, 'the directory is initialised');
      return { ...manifest, replicas: change(manifest.replicas) };
    });
  }
}
