/** Decides whether a coordinator leases a heartbeat, by the map that its check found valid. Pure. */
import { judgeTerm } from '#cluster/group-terms.ts';
import type { Heartbeat } from '#cluster/heartbeat.ts';
import type { Group, ShardMap } from '#cluster/shard-map.ts';

/** The group of which a node is a voter; undefined if it is none. */
export function groupOf(map: ShardMap, node: string): Group | undefined {
  for (const group of map.groups.values())
    if (group.voters.some((voter) => voter.node === node)) return group;
  return undefined;
}

/**
 * True if the sender is the recorded leader of exactly this term. `termsHeard`: what the
 * group's voters state; a term that the store never gave stops the leases of the group.
 */
export function isLeasable(map: ShardMap, heartbeat: Heartbeat, termsHeard: readonly number[]): boolean {
  const group = groupOf(map, heartbeat.node);
  const leader = group?.leader;
  if (group === undefined || leader === undefined || heartbeat.role !== 'master') return false;
  if (termsHeard.some((term) => judgeTerm(group, term) === 'ahead')) return false;
  return (
    leader.node === heartbeat.node &&
    leader.incarnation === heartbeat.incarnation &&
    group.term === heartbeat.term
  );
}
