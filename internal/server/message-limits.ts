/**
 * How much one request message may contain: it is refused before it is decoded
 * where it has more bytes, expanded, or more fields. A peer pays a byte or two for
 * a field or an empty message, and this process some hundred bytes and nanoseconds:
 * bytes alone bound neither memory nor time. Each method says which of these is its.
 */
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import { FEW, type RpcLimits } from '#rpc/rpc-routes.ts';

/** The log's largest record with its header, or a push of many, and the addresses of a group. */
export const FRAMES: RpcLimits = { readMaxBytes: 64 * 1_024 * 1_024 + 524_288, fieldsMax: 4_096 };
/** What an observer says with each call, up to 1,024 keys that were read there included. */
export const OBSERVED: RpcLimits = { ...FEW, fieldsMax: 2_048 };
/** What a node says of itself: its voters, the replicas of its plain group, and its reasons, as many as are read. */
export const HEARTBEAT: RpcLimits = { readMaxBytes: 262_144, fieldsMax: 4_096 };
/** A request with the map of a cluster: some thousand groups and nodes, and every slot with a range of its own. */
export const SHARD_MAP: RpcLimits = { readMaxBytes: 4 * 1_024 * 1_024, fieldsMax: 131_072 };
/** Beside the value: its key, tokens and request id. */
const VALUE_OVERHEAD_BYTES = 65_536;
/** Fields of one operation. With every field set it has some 20 in protobuf and 40 in JSON. */
const OPERATION_FIELDS = 64;

/** A Set. `valueBytesMax`: `server.max_value_bytes`. */
export function valueLimits(valueBytesMax: number): RpcLimits {
  // Values are base64 in JSON.
  const readMaxBytes = Math.ceil((valueBytesMax * 4) / 3) + VALUE_OVERHEAD_BYTES;
  return { ...FEW, readMaxBytes, key: 'server.max_value_bytes' };
}

/** A list of operations. `batchBytesMax`: `server.max_batch_bytes`. */
export function operationsLimits(batchBytesMax: number): RpcLimits {
  const fieldsMax = BATCH_OPERATIONS_MAX * OPERATION_FIELDS;
  return { readMaxBytes: batchBytesMax, fieldsMax, key: 'server.max_batch_bytes' };
}
