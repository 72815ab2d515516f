/** What a group of a cluster asks about the keys that it is called for. */
import type { ShardOwner } from '#model/shard-owner.ts';

export interface Ownership {
  /**
   * The group has said that it does not own a key that it was called for: resolves once it
   * is known, as well as it can be, who does. Never rejects.
   */
  learn(refusal: ShardOwner): Promise<void>;
  /** True if the key is the group's, as far as is known. */
  owns(key: string): boolean;
}
