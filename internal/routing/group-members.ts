/** A group as its callers need it: where its members are, and which one leads. Pure. */
import type { Group, ShardMap } from '#cluster/shard-map.ts';

export interface GroupMembers {
  /** Those that the map has; `host:port`. */
  readonly addresses: readonly string[];
  /** `node name@term`; empty while there is none. */
  readonly leader: string;
  readonly leaderAddress: string | undefined;
}

export function membersOf({ voters, leader, term }: Group, { nodes }: ShardMap): GroupMembers {
  return {
    addresses: voters.flatMap(({ node }) => nodes.get(node)?.address ?? []),
    leader: leader === undefined ? '' : `${leader.node}@${term}`,
    leaderAddress: leader && nodes.get(leader.node)?.address,
  };
}
