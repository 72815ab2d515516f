/** Chooses groups for nodes, so that the members of a group fail apart from each other. Pure. */
import type { GroupPlan } from '#cluster/coordinator-port.ts';

export interface PlacedNode {
  readonly name: string;
  /** What fails together; empty: not known, which counts as a zone of its own for each node. */
  readonly zone: string;
}

/**
 * Makes as many groups of `size` as the nodes suffice for, `g1`, `g2` …; none if they do not
 * suffice for one. A zone has at most one member in a group where no zone has more nodes
 * than there are groups. Nodes that are left over are of the largest zones.
 */
export function placeGroups(nodes: readonly PlacedNode[], size: number): GroupPlan[] {
  const count = Math.floor(nodes.length / size);
  const zones = zonesOf(nodes);
  for (let left = nodes.length - count * size; left > 0; left--) largest(zones).pop();
  const groups: string[][] = Array.from({ length: count }, () => []);
  // Dealt one by one, the nodes of a zone stand in different groups.
  [...zones].flat().forEach((name, i) => {
    groups[i % count]?.push(name);
  });
  return groups.map((names, i) => ({ id: `g${i + 1}`, nodes: names.sort() }));
}

/** The names of each zone's nodes, sorted. */
function zonesOf(nodes: readonly PlacedNode[]): string[][] {
  const zones = new Map<string, string[]>();
  for (const { name, zone } of [...nodes].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const key = zone === '' ? `node ${name}` : `zone ${zone}`;
    zones.set(key, [...(zones.get(key) ?? []), name]);
  }
  return [...zones.values()];
}

function largest(zones: readonly string[][]): string[] {
  return zones.reduce((a, b) => (b.length > a.length ? b : a));
}
