/**
 * Converts the map of a cluster and what it consists of between protobuf and the
 * cluster's values, in both directions. Pure; bad input throws `invalid_argument`.
 */
import type { MapChange } from '#cluster/map-change.ts';
import { GROUP_ID_FORM, isGroupId, isNodeName, NODE_NAME_FORM } from '#cluster/names.ts';
import type { ClusterNode, Group, Leader, ShardMap, SlotRange, Voter } from '#cluster/shard-map.ts';
import type {
  MapChange as MapChangeMessage,
  ShardMap as ShardMapMessage,
} from '#gen/walnut/cluster/v1/map_pb.ts';
import {
  type Group as GroupMessage,
  type Leader as LeaderMessage,
  type Node as NodeMessage,
  NodeStatus,
  type SlotRange as SlotRangeMessage,
  type Slots as SlotsMessage,
  type Tail,
  type Voter as VoterMessage,
} from '#gen/walnut/cluster/v1/records_pb.ts';
import { invalidArgument } from '#model/errors.ts';
import { NO_POSITION, type Position } from '#model/position.ts';
import { SLOTS, type SlotRun } from '#model/slots.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { toLsnField } from '#wire/position-codec.ts';

export function fromShardMap({ clusterId, epoch, groups, slots, nodes }: ShardMap): ShardMapMessage {
  return {
    $typeName: 'walnut.cluster.v1.ShardMap',
    clusterId,
    epoch: BigInt(epoch),
    groups: [...groups.values()].sort(by(({ id }) => id)).map(fromGroup),
    slots: slots.map(fromSlotRange),
    nodes: [...nodes.values()].sort(by(({ name }) => name)).map(fromNode),
  };
}

export function toShardMap({ clusterId, epoch, groups, slots, nodes }: ShardMapMessage): ShardMap {
  return {
    clusterId,
    epoch: toSafeNumber(epoch, 'map.epoch'),
    groups: new Map(groups.map((group) => [group.id, toGroup(group)])),
    slots: slots.map(toSlotRange),
    nodes: new Map(nodes.map((node) => [node.name, toNode(node)])),
  };
}

/** The slots that a log says its group owns. */
export function fromOwned(owned: readonly SlotRun[], group: string): SlotsMessage {
  return {
    $typeName: 'walnut.cluster.v1.Slots',
    ranges: owned.map((run) => fromSlotRange({ ...run, group })),
  };
}

export function toOwned({ ranges }: SlotsMessage): SlotRun[] {
  return ranges.map(toSlotRange).map(({ first, last }) => ({ first, last }));
}

export function fromMapChange(change: MapChange): MapChangeMessage {
  const { fromEpoch, epoch, groups, groupsGone, slots, nodes, nodesGone } = change;
  return {
    $typeName: 'walnut.cluster.v1.MapChange',
    fromEpoch: BigInt(fromEpoch),
    epoch: BigInt(epoch),
    groups: groups.map(fromGroup),
    groupsGone: [...groupsGone],
    slots: slots && { $typeName: 'walnut.cluster.v1.Slots', ranges: slots.map(fromSlotRange) },
    nodes: nodes.map(fromNode),
    nodesGone: [...nodesGone],
  };
}

export function toMapChange(message: MapChangeMessage): MapChange {
  const { fromEpoch, epoch, groups, groupsGone, slots, nodes, nodesGone } = message;
  return {
    fromEpoch: toSafeNumber(fromEpoch, 'changes.from_epoch'),
    epoch: toSafeNumber(epoch, 'changes.epoch'),
    groups: groups.map(toGroup),
    groupsGone,
    slots: slots?.ranges.map(toSlotRange),
    nodes: nodes.map(toNode),
    nodesGone,
  };
}

export function fromGroup(group: Group): GroupMessage {
  const { id, logId, voters, term, leader, lastLeader, next, withdrawn, grants } = group;
  return {
    $typeName: 'walnut.cluster.v1.Group',
    id,
    logId,
    voters: voters.map(fromVoter),
    term,
    leader: leader && {
      $typeName: 'walnut.cluster.v1.Leader',
      voter: fromVoter(leader),
      tail: fromTail(leader.tail),
    },
    lastLeader,
    next: next && { $typeName: 'walnut.cluster.v1.NextLeader', ...next },
    withdrawn,
    grants: grants && {
      $typeName: 'walnut.cluster.v1.Grants',
      ...{ term: grants.term, count: grants.count, voters: grants.voters.map(fromVoter) },
    },
  };
}

export function toGroup(message: GroupMessage): Group {
  const { id, logId, voters, term, leader, lastLeader, next, withdrawn, grants } = message;
  return {
    id,
    logId,
    voters: voters.map(toVoter),
    term,
    leader: leader && toLeader(leader),
    lastLeader,
    next: next && { term: next.term, node: next.node },
    withdrawn,
    grants: grants && { term: grants.term, count: grants.count, voters: grants.voters.map(toVoter) },
  };
}

export function fromNode({ name, address, zone, status }: ClusterNode): NodeMessage {
  const word = status === 'draining' ? NodeStatus.DRAINING : NodeStatus.ACTIVE;
  return { $typeName: 'walnut.cluster.v1.Node', name, address, zone, status: word };
}

export function toNode({ name, address, zone, status }: NodeMessage): ClusterNode {
  return { name, address, zone, status: status === NodeStatus.DRAINING ? 'draining' : 'active' };
}

export function fromSlotRange({ first, last, group }: SlotRange): SlotRangeMessage {
  return { $typeName: 'walnut.cluster.v1.SlotRange', first, last, group };
}

export function toSlotRange({ first, last, group }: SlotRangeMessage): SlotRange {
  if (first <= last && last < SLOTS) return { first, last, group };
  throw invalidArgument(`slots ${first} to ${last}: expected a range within 0 to ${SLOTS - 1}`);
}

export function fromVoter({ node, incarnation }: Voter): VoterMessage {
  return { $typeName: 'walnut.cluster.v1.Voter', node, incarnation: BigInt(incarnation) };
}

export function toVoter({ node, incarnation }: VoterMessage): Voter {
  return { node, incarnation: toSafeNumber(incarnation, `the incarnation of ${node}`) };
}

export function fromTail({ epoch, lsn }: Position): Tail {
  return { $typeName: 'walnut.cluster.v1.Tail', epoch: BigInt(epoch), lsn: BigInt(lsn) };
}

/** An unset one becomes `NO_POSITION`. */
export function toTail(message: Tail | undefined, field: string): Position {
  if (message === undefined) return NO_POSITION;
  return {
    epoch: toSafeNumber(message.epoch, `${field}.epoch`),
    lsn: toLsnField(message.lsn, `${field}.lsn`),
  };
}

/** Throws unless the text may be the name of a node. */
export function checkNodeName(text: string, field: string): string {
  if (isNodeName(text)) return text;
  throw invalidArgument(`${field} is ${shown(text)}: expected ${NODE_NAME_FORM}`);
}

/** Throws unless the text may be the id of a group. */
export function checkGroupId(text: string, field: string): string {
  if (isGroupId(text)) return text;
  throw invalidArgument(`${field} is ${shown(text)}: expected ${GROUP_ID_FORM}`);
}

function toLeader({ voter, tail }: LeaderMessage): Leader {
  const who = voter === undefined ? { node: '', incarnation: 0 } : toVoter(voter);
  return { ...who, tail: toTail(tail, 'leader.tail') };
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80).toWellFormed());
}

function by<T>(key: (value: T) => string): (a: T, b: T) => number {
  return (a, b) => (key(a) < key(b) ? -1 : 1);
}
