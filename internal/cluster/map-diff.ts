/** What changed between two shard maps, so that a watcher gets that and not the map. Pure. */
import { isDeepStrictEqual } from 'node:util';
import type { MapChange } from '#cluster/map-change.ts';
import type { ShardMap } from '#cluster/shard-map.ts';

export function diffMaps(older: ShardMap, newer: ShardMap): MapChange {
  const groups = diffEntries(older.groups, newer.groups);
  const nodes = diffEntries(older.nodes, newer.nodes);
  return {
    fromEpoch: older.epoch,
    epoch: newer.epoch,
    groups: groups.changed,
    groupsGone: groups.gone,
    slots: isDeepStrictEqual(older.slots, newer.slots) ? undefined : newer.slots,
    nodes: nodes.changed,
    nodesGone: nodes.gone,
  };
}

function diffEntries<T>(
  older: ReadonlyMap<string, T>,
  newer: ReadonlyMap<string, T>,
): { changed: T[]; gone: string[] } {
  const changed = [...newer].filter(([name, value]) => !isDeepStrictEqual(older.get(name), value));
  return {
    changed: changed.map(([, value]) => value),
    gone: [...older.keys()].filter((name) => !newer.has(name)),
  };
}
