/** The replicas that MANIFEST remembers: which addresses registered or were added, and which were removed. */

import { amendManifest, manifestOf } from '#engine/manifest-access.ts';
import type { ReplicaBook } from '#replication/replica-registry.ts';
import type { WalDirectory } from '#wal/wal-directory.ts';

export class ReplicaList implements ReplicaBook {
  readonly #directory: WalDirectory;
  readonly #configured: readonly string[];

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

  isRemoved(address: string): boolean {
    return manifestOf(this.#directory).replicas.removed.includes(address);
  }

  async remember(address: string): Promise<void> {
    const { added, removed } = manifestOf(this.#directory).replicas;
    if (added.includes(address) && !removed.includes(address)) return;
    await amendManifest(this.#directory, {
      replicas: {
        added: [...new Set([...added, address])],
        removed: removed.filter((one) => one !== address),
      },
    });
  }

  async remove(address: string): Promise<void> {
    const { added, removed } = manifestOf(this.#directory).replicas;
    await amendManifest(this.#directory, {
      replicas: {
        added: added.filter((one) => one !== address),
        removed: [...new Set([...removed, address])],
      },
    });
  }
}
