/** What is shown of a cluster, from its map and what was heard of the nodes. Pure. */
import type { GroupStatus, NodeHealth } from '#cluster/coordinator-port.ts';
import type { Observation } from '#cluster/heartbeat.ts';
import { isTakingWrites } from '#cluster/judge-master.ts';
import { groupOf } from '#cluster/leasable.ts';
import { countingVoters } from '#cluster/quorum-margin.ts';
import { type ClusterNode, runsOf, type ShardMap, slotsIn } from '#cluster/shard-map.ts';

export interface Heard {
  readonly observations: ReadonlyMap<string, Observation>;
  readonly nowMs: number;
}

/** For a process with a map that hears no node. */
export const NOBODY_HEARD: Heard = { observations: new Map(), nowMs: 0 };

/** Sorted by id. */
export function groupsOf(map: ShardMap, heard: Heard): GroupStatus[] {
  return [...map.groups.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((group) => ({
      group,
      slots: slotsIn(runsOf(map.slots, group.id)),
      isTakingWrites: isTakingWrites(group, heard),
      votersHeard: countingVoters(group, heard).length,
    }));
}

/** Those that the map lists and those that are heard, sorted by name. */
export function nodesOf(map: ShardMap, heard: Heard): NodeHealth[] {
  const names = new Set([...map.nodes.keys(), ...heard.observations.keys()]);
  return [...names].sort().map((name) => {
    const observation = heard.observations.get(name);
    return {
      node: map.nodes.get(name) ?? statedBy(name, observation),
      isListed: map.nodes.has(name),
      group: groupOf(map, name)?.id ?? '',
      heard: observation && {
        agoMs: heard.nowMs - observation.heardMs,
        heartbeat: observation.heartbeat,
      },
    };
  });
}

function statedBy(name: string, observation: Observation | undefined): ClusterNode {
  const { address = '', zone = '' } = observation?.heartbeat ?? {};
  return { name, address, zone, status: 'active' };
}
