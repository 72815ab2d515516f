/** What a node that has no keys answers to a call as bytes. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BatchRequestSchema, BatchResponseSchema, GetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Position } from '#model/position.ts';
import type { RelayMethod } from '#model/relay.ts';

/** Knows Gets, and Batches of Gets. */
export function missing({ epoch, lsn }: Position, method: RelayMethod, message: Uint8Array): Uint8Array {
  const asOf = { epoch: BigInt(epoch), lsn: BigInt(lsn) };
  if (method === 'get') return toBinary(GetResponseSchema, create(GetResponseSchema, { asOf }));
  if (method !== 'batch') throw new Error('not part of this double');
  const results = fromBinary(BatchRequestSchema, message).operations.map(() => ({
    result: { case: 'get' as const, value: { asOf } },
  }));
  return toBinary(BatchResponseSchema, create(BatchResponseSchema, { results }));
}
