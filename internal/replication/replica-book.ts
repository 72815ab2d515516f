/** The replicas that MANIFEST remembers, as the registry needs them; implemented by `internal/node`. */
import type { GroupMembers, NodeAddress } from '#model/replication.ts';

export interface ReplicaBook {
  /** Returns the same object until something changes. */
  group(): GroupMembers;
  /** The address at which an operator removed this node, even if it has another now; undefined: nobody did. */
  removedAs(node: NodeAddress): string | undefined;
  /**
   * Remembers where a node registered, for the next start; a node that was
   * removed stays removed. Throws `resource_exhausted` where the list is full
   * and every node in it `isLive`.
   */
  remember(node: NodeAddress, isLive: (address: string) => boolean): Promise<void>;
}
