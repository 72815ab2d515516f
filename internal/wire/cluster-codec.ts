/** Converts the records of a cluster's metadata store between protobuf and the cluster's values. Pure; bad bytes throw. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterNode, Group, Leader, SlotRange, Voter } from '#cluster/shard-map.ts';
import {
  ActiveCoordinatorSchema,
  GroupSchema,
  type Leader as LeaderMessage,
  MapEpochSchema,
  MetaSchema,
  NodeSchema,
  NodeStatus,
  SlotsSchema,
  type Voter as VoterMessage,
} from '#gen/walnut/cluster/v1/records_pb.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';

/** The active coordinator, as its `leader` key names it. */
export interface ActiveCoordinator {
  /** Random for each process. */
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
}

export function encodeMeta(clusterId: string): Uint8Array {
  return toBinary(MetaSchema, create(MetaSchema, { clusterId }));
}

export function decodeMeta(bytes: Uint8Array): string {
  return fromBinary(MetaSchema, bytes).clusterId;
}

export function encodeActive({ id, address }: ActiveCoordinator): Uint8Array {
  return toBinary(ActiveCoordinatorSchema, create(ActiveCoordinatorSchema, { id, address }));
}

export function decodeActive(bytes: Uint8Array): ActiveCoordinator {
  const { id, address } = fromBinary(ActiveCoordinatorSchema, bytes);
  return { id, address };
}

export function encodeEpoch(epoch: number): Uint8Array {
  return toBinary(MapEpochSchema, create(MapEpochSchema, { epoch: BigInt(epoch) }));
}

export function decodeEpoch(bytes: Uint8Array): number {
  return toSafeNumber(fromBinary(MapEpochSchema, bytes).epoch, 'epoch');
}

export function encodeGroup(group: Group): Uint8Array {
  const { id, logId, term, lastLeader, next } = group;
  const voters = group.voters.map(fromVoter);
  const leader = group.leader && { voter: fromVoter(group.leader), tail: fromPosition(group.leader.tail) };
  const fields = { id, logId, voters, term, lastLeader };
  return toBinary(
    GroupSchema,
    create(GroupSchema, { ...fields, ...(leader && { leader }), ...(next && { next }) }),
  );
}

export function decodeGroup(bytes: Uint8Array): Group {
  const { id, logId, voters, term, leader, lastLeader, next } = fromBinary(GroupSchema, bytes);
  return {
    id,
    logId,
    voters: voters.map(toVoter),
    term,
    leader: leader && toLeader(leader),
    lastLeader,
    next: next && { term: next.term, node: next.node },
  };
}

export function encodeSlots(ranges: readonly SlotRange[]): Uint8Array {
  return toBinary(SlotsSchema, create(SlotsSchema, { ranges: [...ranges] }));
}

export function decodeSlots(bytes: Uint8Array): SlotRange[] {
  return fromBinary(SlotsSchema, bytes).ranges.map(({ first, last, group }) => ({ first, last, group }));
}

export function encodeNode({ name, address, zone, status }: ClusterNode): Uint8Array {
  const word = status === 'draining' ? NodeStatus.DRAINING : NodeStatus.ACTIVE;
  return toBinary(NodeSchema, create(NodeSchema, { name, address, zone, status: word }));
}

export function decodeNode(bytes: Uint8Array): ClusterNode {
  const { name, address, zone, status } = fromBinary(NodeSchema, bytes);
  return { name, address, zone, status: status === NodeStatus.DRAINING ? 'draining' : 'active' };
}

function fromVoter({ node, incarnation }: Voter): { node: string; incarnation: bigint } {
  return { node, incarnation: BigInt(incarnation) };
}

function toVoter({ node, incarnation }: VoterMessage): Voter {
  return { node, incarnation: toSafeNumber(incarnation, `the incarnation of ${node}`) };
}

function toLeader({ voter, tail }: LeaderMessage): Leader {
  const who = voter === undefined ? { node: '', incarnation: 0 } : toVoter(voter);
  return { ...who, tail: toPositionOrNone(tail, 'leader.tail') };
}
