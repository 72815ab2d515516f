/**
 * What one request message of each rpc may hold, in one table: a message is
 * refused before it is decoded where it has more bytes, expanded, or more fields.
 * A peer pays a byte or two for a field or an empty message, and this process
 * some hundred bytes and nanoseconds: bytes alone bound neither memory nor time.
 *
 * A method that is missing here is an error of the compiler.
 */
import type { Health } from '#gen/grpc/health/v1/health_pb.ts';
import type { ServerReflection } from '#gen/grpc/reflection/v1/reflection_pb.ts';
import type { Admin } from '#gen/walnut/v1/admin_pb.ts';
import type { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { BATCH_OPERATIONS_MAX } from '#model/limits.ts';
import type { RpcLimits } from '#server/rpc-routes.ts';

type LimitsOf<Service extends { readonly method: object }> = Readonly<
  Record<keyof Service['method'], RpcLimits>
>;

export interface MessageLimits {
  readonly keyValue: LimitsOf<typeof KVStore>;
  readonly replication: LimitsOf<typeof Replication>;
  readonly admin: LimitsOf<typeof Admin>;
  readonly health: LimitsOf<typeof Health>;
  readonly reflection: LimitsOf<typeof ServerReflection>;
}

/** A key or a few names, tokens and numbers: a key of 1,024 bytes takes 6 KiB in JSON with every character escaped. */
const FEW: RpcLimits = { readMaxBytes: 16_384, fieldsMax: 1_024 };
/** The log's largest record with its header, or a push of many, and the addresses of a group. */
const FRAMES: RpcLimits = { readMaxBytes: 64 * 1_024 * 1_024 + 524_288, fieldsMax: 4_096 };
/** Beside the value: its key, tokens and request id. */
const VALUE_OVERHEAD_BYTES = 65_536;
/** Of one operation with all that it can have: some 20 in protobuf, 40 in JSON. */
const OPERATION_FIELDS = 64;

/** `valueBytesMax`, `batchBytesMax`: `server.max_value_bytes`, `server.max_batch_bytes`. */
export function createMessageLimits(bounds: {
  readonly valueBytesMax: number;
  readonly batchBytesMax: number;
}): MessageLimits {
  const value: RpcLimits = {
    // Values are base64 in JSON.
    readMaxBytes: Math.ceil((bounds.valueBytesMax * 4) / 3) + VALUE_OVERHEAD_BYTES,
    fieldsMax: FEW.fieldsMax,
  };
  const operations: RpcLimits = {
    readMaxBytes: bounds.batchBytesMax,
    fieldsMax: BATCH_OPERATIONS_MAX * OPERATION_FIELDS,
  };
  return {
    keyValue: {
      get: FEW,
      set: value,
      delete: FEW,
      batch: operations,
      scan: FEW,
      getUpdates: FEW,
      awaitDurable: FEW,
    },
    replication: {
      register: FEW,
      replicate: FRAMES,
      fetchSnapshot: FEW,
      claim: FEW,
      announce: FEW,
      takeOver: FEW,
    },
    admin: {
      status: FEW,
      digest: FEW,
      scrub: FEW,
      addReplica: FEW,
      removeReplica: FEW,
      checkpoint: FEW,
      rotateWal: FEW,
      quarantineList: FEW,
      quarantineRelease: FEW,
      restore: operations,
      promote: FEW,
      failover: FEW,
      divergedList: FEW,
      divergedShow: FEW,
      divergedSeen: FEW,
      controlDelay: FEW,
      mendClock: FEW,
    },
    health: { check: FEW, list: FEW, watch: FEW },
    reflection: { serverReflectionInfo: FEW },
  };
}
