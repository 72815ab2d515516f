/** Between the port's values and etcd's messages. Pure. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  Compare_CompareResult,
  Compare_CompareTarget,
  type CompareSchema,
  Event_EventType,
  type RangeResponse,
  type RequestOpSchema,
  type TxnRequest,
  TxnRequestSchema,
  type WatchResponse,
} from '#gen/etcd/etcd_pb.ts';
import type {
  Comparison,
  StoreChanges,
  StoreView,
  StoreWrite,
  Transaction,
} from '#metadata/metadata-store.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** `key` and `range_end` of all keys that begin with a prefix, which must be ASCII and not empty. */
export function toRange(prefix: string): { readonly key: Uint8Array; readonly rangeEnd: Uint8Array } {
  const key = encoder.encode(prefix);
  const rangeEnd = Uint8Array.from(key);
  rangeEnd[rangeEnd.length - 1] = (rangeEnd.at(-1) ?? 0) + 1;
  return { key, rangeEnd };
}

/**
 * A transaction without writes reads the first key that it compares. etcd answers one
 * without operations from the state of the member that was asked, which may be old, and
 * a linearizable answer is the purpose of such a transaction.
 */
export function toTxnRequest({ compare, writes }: Transaction): TxnRequest {
  const operations = writes.map(toRequestOp);
  const key = encoder.encode(compare[0]?.key ?? '');
  return create(TxnRequestSchema, {
    compare: compare.map(toCompare),
    success: operations.length > 0 ? operations : [{ request: { case: 'requestRange', value: { key } } }],
  });
}

function toCompare(comparison: Comparison): MessageInitShape<typeof CompareSchema> {
  const key = encoder.encode(comparison.key);
  const result = Compare_CompareResult.EQUAL;
  if ('createRevision' in comparison) {
    const targetUnion = { case: 'createRevision', value: BigInt(comparison.createRevision) } as const;
    return { key, result, target: Compare_CompareTarget.CREATE, targetUnion };
  }
  const targetUnion = { case: 'modRevision', value: BigInt(comparison.modRevision) } as const;
  return { key, result, target: Compare_CompareTarget.MOD, targetUnion };
}

function toRequestOp(write: StoreWrite): MessageInitShape<typeof RequestOpSchema> {
  const key = encoder.encode(write.key);
  if (write.value === undefined) return { request: { case: 'requestDeleteRange', value: { key } } };
  const lease = BigInt(write.lease?.id ?? 0);
  return { request: { case: 'requestPut', value: { key, value: write.value, lease } } };
}

export function toStoreView({ header, kvs }: RangeResponse): StoreView {
  return {
    revision: Number(header?.revision),
    entries: kvs.map((kv) => ({
      key: decoder.decode(kv.key),
      value: kv.value,
      createRevision: Number(kv.createRevision),
      modRevision: Number(kv.modRevision),
    })),
  };
}

/** The header's revision may be above that of the last event if more events follow. */
export function toStoreChanges({ events }: WatchResponse): StoreChanges {
  return {
    revision: Number(events.at(-1)?.kv?.modRevision),
    changes: events.map(({ type, kv }) => ({
      key: decoder.decode(kv?.key),
      value: type === Event_EventType.DELETE ? undefined : kv?.value,
    })),
  };
}
