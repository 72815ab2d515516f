/** The replicas that MANIFEST remembers, as the registry needs them; implemented by `internal/node`. */
import type { GroupMembers, NodeAddress } from '#model/replication.ts';

export interface ReplicaBook {
  /** Returns the same object until something changes. */
  group(): GroupMembers;
  /** The address at which an operator removed this node, even if it has another now; undefined: nobody did. */
  removedAs(node: NodeAddress): string | undefined;
  /**
   * A node registers: looks who answers at an address that is new for it. Throws
   * `already_exists` where another node does, `resource_exhausted` where too many
   * registered lately at addresses at which nobody answers.
   */
  meet(node: NodeAddress): Promise<void>;
  /**
   * Remembers where a node registered, for the next start; a node that was
   * removed stays removed. Throws `resource_exhausted` where the list is full
   * and every node in it `isLive`.
   */
  remember(node: NodeAddress, isLive: (address: string) => boolean): Promise<void>;
}
