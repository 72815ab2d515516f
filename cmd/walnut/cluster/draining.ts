/** What `walnut cluster drain` says of the groups that the node leads. Pure. */
import { successor } from '#cluster/successor.ts';
import type { GetClusterResponse, ListNodesResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { toPositionOrNone } from '#wire/position-codec.ts';
import { toGroup, toNode } from '#wire/shard-map-codec.ts';

export interface Draining {
  /** Ids of the groups that the node hands over. */
  readonly handsOver: readonly string[];
  /** Ids of the groups that it goes on leading, because no other voter could lead now. */
  readonly keeps: readonly string[];
}

/** Judges by what the active coordinator heard, as that one does. */
export function judgeDraining(
  node: string,
  { groups }: GetClusterResponse,
  { nodes: healths }: ListNodesResponse,
): Draining {
  const nodes = new Map(healths.flatMap(({ node: each }) => (each ? [[each.name, toNode(each)]] : [])));
  const observations = new Map(
    healths.flatMap(({ node: each, heartbeat, heardAgoMs }) => {
      if (each === undefined || heartbeat === undefined) return [];
      const { incarnation, whyNoWrites, tail } = heartbeat;
      const heard = { incarnation: Number(incarnation), whyNoWrites, tail: toPositionOrNone(tail, 'tail') };
      return [[each.name, { heardMs: -Number(heardAgoMs), heartbeat: { node: each.name, ...heard } }]];
    }),
  );
  const led = groups
    .flatMap(({ group }) => (group ? [toGroup(group)] : []))
    .filter(({ leader }) => leader?.node === node);
  const isKept = (group: (typeof led)[number]): boolean =>
    group.next === undefined && successor({ group, nodes, observations, nowMs: 0 }) === undefined;
  const [keeps, handsOver] = [led.filter(isKept), led.filter((group) => !isKept(group))];
  return { keeps: keeps.map(({ id }) => id), handsOver: handsOver.map(({ id }) => id) };
}

/** `draining` is undefined where no active coordinator could be asked. */
export function drainingText(node: string, draining: Draining | undefined): string {
  if (draining === undefined)
    return `${node} drains: it hands over what it leads. See when with: walnut cluster status\n`;
  const { handsOver, keeps } = draining;
  if (handsOver.length + keeps.length === 0) return `${node} drains: it leads nothing now\n`;
  const given =
    handsOver.length === 0
      ? ''
      : `${node} drains: it hands over ${handsOver.join(', ')}. See when with: walnut cluster status\n`;
  const kept =
    keeps.length === 0
      ? ''
      : `${node} drains, but goes on leading ${keeps.join(', ')} until another voter could: none could now, or ` +
        'a failover would lack votes. See why with: walnut cluster nodes\n';
  return given + kept;
}
