/** Converts FetchSnapshot between protobuf and the model. Slices are unchanged views of the message's buffer. */
import type { FetchSnapshotRequest, FetchSnapshotResponse } from '#gen/walnut/v1/replication_pb.ts';
import type { SnapshotChunk, SnapshotRequest } from '#model/replication.ts';
import { toSafeNumber } from '#wire/numbers.ts';
import { fromPosition, toPositionOrNone } from '#wire/position-codec.ts';
import { checkIdOrEmpty } from '#wire/replication-codec.ts';

export function toSnapshotRequest(message: FetchSnapshotRequest): SnapshotRequest {
  return {
    logId: checkIdOrEmpty(message.logId, 'log_id'),
    nodeId: checkIdOrEmpty(message.nodeId, 'node_id'),
  };
}

export function fromSnapshotChunk(chunk: SnapshotChunk): FetchSnapshotResponse {
  return {
    $typeName: 'walnut.v1.FetchSnapshotResponse',
    position: fromPosition(chunk.position),
    offset: BigInt(chunk.offset),
    totalBytes: BigInt(chunk.totalBytes),
    chunk: chunk.bytes,
  };
}

export function toSnapshotChunk(message: FetchSnapshotResponse): SnapshotChunk {
  return {
    position: toPositionOrNone(message.position, 'position'),
    offset: toSafeNumber(message.offset, 'offset'),
    totalBytes: toSafeNumber(message.totalBytes, 'total_bytes'),
    bytes: message.chunk,
  };
}
