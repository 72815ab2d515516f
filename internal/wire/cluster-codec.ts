/** Converts the records of a cluster's metadata store between protobuf and the cluster's values. Pure; bad bytes throw. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { ClusterNode, Group, SlotRange } from '#cluster/shard-map.ts';
import {
  ActiveCoordinatorSchema,
  GroupSchema,
  MapEpochSchema,
  MetaSchema,
  NodeSchema,
  SlotsSchema,
} from '#gen/walnut/cluster/v1/records_pb.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromGroup, fromNode, fromSlotRange, toGroup, toNode, toSlotRange } from '#wire/shard-map-codec.ts';

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
  return toBinary(GroupSchema, fromGroup(group));
}

export function decodeGroup(bytes: Uint8Array): Group {
  return toGroup(fromBinary(GroupSchema, bytes));
}

export function encodeSlots(ranges: readonly SlotRange[]): Uint8Array {
  return toBinary(SlotsSchema, create(SlotsSchema, { ranges: ranges.map(fromSlotRange) }));
}

export function decodeSlots(bytes: Uint8Array): SlotRange[] {
  return fromBinary(SlotsSchema, bytes).ranges.map(toSlotRange);
}

export function encodeNode(node: ClusterNode): Uint8Array {
  return toBinary(NodeSchema, fromNode(node));
}

export function decodeNode(bytes: Uint8Array): ClusterNode {
  return toNode(fromBinary(NodeSchema, bytes));
}
