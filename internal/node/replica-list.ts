/** The replicas that MANIFEST remembers: which addresses registered or were added, and which were removed. */

import { manifestOf } from '#engine/manifest-access.ts';
import type { GroupMembers } from '#model/replication.ts';
import { assert } from '#platform/assert.ts';
import type { Manifest } from '#wal/manifest.ts';

type Replicas = Manifest['replicas'];

import type { ReplicaBook } from '#replication/replica-registry.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export class ReplicaList implements ReplicaBook {
  readonly #directory: WalDirectory;
  readonly #configured: readonly string[];
  /** Made of `#groupOf`; the same object as long as nothing changed. */
  #group: GroupMembers = { replicas: [], removed: [] };
  #groupOf: Replicas | undefined;

  /** `configured`: `replication.replicas`. */
  constructor(directory: WalDirectory, configured: readonly string[]) {
    this.#directory = directory;
    this.#configured = configured;
  }

  /** Everyone who may hold newer history than this node. */
  known(): string[] {
    const { added } = manifestOf(this.#directory).replicas;
    return [...new Set([...this.#configured, ...added])].filter((address) => !this.isRemoved(address));
  }

  group(): GroupMembers {
    const { replicas } = manifestOf(this.#directory);
    if (replicas !== this.#groupOf) {
      this.#group = { replicas: this.known(), removed: replicas.removed };
      this.#groupOf = replicas;
    }
    return this.#group;
  }

  isRemoved(address: string): boolean {
    return manifestOf(this.#directory).replicas.removed.includes(address);
  }

  async remember(address: string): Promise<void> {
    const { added, removed } = manifestOf(this.#directory).replicas;
    if (added.includes(address) || removed.includes(address)) return;
    await this.#change((list) =>
      list.removed.includes(address) ? list : { ...list, added: including(list.added, address) },
    );
  }

  /** The operator adds an address, or takes it back. */
  add(address: string): Promise<void> {
    return this.#change((list) => ({
      added: including(list.added, address),
      removed: without(list.removed, address),
    }));
  }

  remove(address: string): Promise<void> {
    return this.#change((list) => ({
      added: without(list.added, address),
      removed: including(list.removed, address),
    }));
  }

  /** From the list of that moment: two changes at a time must not undo each other. */
  #change(change: (list: Replicas) => Replicas): Promise<void> {
    return this.#directory.update((manifest) => {
      assert(manifest !== undefined, 'the directory is initialised');
      return { ...manifest, replicas: change(manifest.replicas) };
    });
  }
}

function including(list: readonly string[], address: string): readonly string[] {
  return [...new Set([...list, address])];
}

function without(list: readonly string[], address: string): readonly string[] {
  return list.filter((one) => one !== address);
}
