/** The largest messages of the unary rpcs, at the default limits, in each codec. */
import { gzipSync } from 'node:zlib';
import { create, type DescMessage, type MessageInitShape, toBinary, toJsonString } from '@bufbuild/protobuf';
import { RestoreRequestSchema } from '#gen/walnut/v1/admin_pb.ts';
import {
  BatchRequestSchema,
  GetRequestSchema,
  GetUpdatesRequestSchema,
  ScanRequestSchema,
  SetRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';

const MIB = 1_024 * 1_024;
const OPERATIONS = 1_000;

export interface StallMessage {
  readonly name: string;
  readonly path: string;
  readonly verb: 'GET' | 'POST' | 'PUT';
  readonly type: string;
  readonly isGzip: boolean;
  /** True if the answer says that it is too much. */
  readonly isRefused?: boolean;
  readonly body: Uint8Array;
}

/** What must be written before the messages are sent, as batches. */
export const FILLS: readonly Uint8Array[] = [
  binary(BatchRequestSchema, sets(OPERATIONS, 16_000, 'r')),
  binary(BatchRequestSchema, sets(OPERATIONS, 1, 's')),
  binary(BatchRequestSchema, sets(3, 8 * MIB, 'l')),
];

function sets(count: number, bytes: number, prefix: string): MessageInitShape<typeof BatchRequestSchema> {
  const value = Buffer.alloc(bytes, 0xa5);
  return {
    operations: Array.from({ length: count }, (_, i) => ({
      operation: { case: 'set' as const, value: { key: `${prefix}${i}`, value } },
    })),
  };
}

function atomic(count: number, bytes: number): MessageInitShape<typeof BatchRequestSchema> {
  return { ...sets(count, bytes, 'a'), atomic: true };
}

function gets(count: number, prefix: string, keys: number): MessageInitShape<typeof BatchRequestSchema> {
  return {
    operations: Array.from({ length: count }, (_, i) => ({
      operation: { case: 'get' as const, value: { key: `${prefix}${i % keys}` } },
    })),
  };
}

function changes(count: number, bytes: number): MessageInitShape<typeof RestoreRequestSchema> {
  const value = Buffer.alloc(bytes, 0xa5);
  return {
    changes: Array.from({ length: count }, (_, i) => ({
      key: `restored${i}`,
      change: { case: 'set' as const, value: { value, expireAtMs: 0n } },
    })),
  };
}

function binary<Schema extends DescMessage>(schema: Schema, message: MessageInitShape<Schema>): Uint8Array {
  return toBinary(schema, create(schema, message));
}

type Each = (codec: 'proto' | 'json') => StallMessage;

function rpc<Schema extends DescMessage>(
  name: string,
  method: string,
  schema: Schema,
  message: MessageInitShape<Schema>,
): Each {
  const whole = create(schema, message);
  return (codec) => ({
    name: `${name}, ${codec}`,
    path: `/walnut.v1.${method}`,
    verb: 'POST',
    type: `application/${codec}`,
    isGzip: false,
    body: codec === 'proto' ? toBinary(schema, whole) : Buffer.from(toJsonString(schema, whole)),
  });
}

const EMPTY = '0a00';
/** A Get of a key of one letter. */
const TINY = '0a050a030a0161';

function raw(
  name: string,
  type: string,
  body: Uint8Array,
  isGzip: boolean,
  isRefused: boolean,
): StallMessage {
  const path = '/walnut.v1.KVStore/Batch';
  const shown = isGzip ? `${name}, gzipped` : name;
  return { name: shown, path, verb: 'POST', type, isGzip, isRefused, body: isGzip ? gzipSync(body) : body };
}

/** `after`: the position behind which there are 16 MiB of records. */
export function* stallMessages(after: { epoch: bigint; lsn: bigint }): Generator<StallMessage> {
  const rpcs: (() => Each)[] = [
    // First, while the log still begins before them.
    () =>
      rpc('GetUpdates of 16 MiB', 'KVStore/GetUpdates', GetUpdatesRequestSchema, {
        after,
        maxBytes: 16 * MIB,
      }),
    () =>
      rpc('GetUpdates of 16 MiB as frames', 'KVStore/GetUpdates', GetUpdatesRequestSchema, {
        after,
        maxBytes: 16 * MIB,
        format: 2,
      }),
    () => rpc('Set of 8 MiB', 'KVStore/Set', SetRequestSchema, { key: 'k', value: Buffer.alloc(8 * MIB, 7) }),
    () => rpc('Batch of 3 Sets of 7.9 MiB', 'KVStore/Batch', BatchRequestSchema, sets(3, 7.9 * MIB, 'b')),
    () => rpc('Batch of 1,000 Sets of 24 kB', 'KVStore/Batch', BatchRequestSchema, sets(1_000, 24_000, 'c')),
    () => rpc('atomic Batch of 2 Sets of 7.9 MiB', 'KVStore/Batch', BatchRequestSchema, atomic(2, 7.9 * MIB)),
    () =>
      rpc('atomic Batch of 1,000 Sets of 16 kB', 'KVStore/Batch', BatchRequestSchema, atomic(1_000, 16_000)),
    () =>
      rpc('Restore of 1,000 changes of 24 kB', 'Admin/Restore', RestoreRequestSchema, changes(1_000, 24_000)),
    () => rpc('Batch of 3 Gets of 8 MiB', 'KVStore/Batch', BatchRequestSchema, gets(3, 'l', 3)),
    () => rpc('Batch of 1,000 Gets of 16 kB', 'KVStore/Batch', BatchRequestSchema, gets(1_000, 'r', 1_000)),
    () => rpc('Batch of 1,000 Gets of 1 byte', 'KVStore/Batch', BatchRequestSchema, gets(1_000, 's', 1_000)),
    () => rpc('Get of 8 MiB', 'KVStore/Get', GetRequestSchema, { key: 'l0' }),
    () => rpc('Scan of 10,000 entries', 'KVStore/Scan', ScanRequestSchema, { limit: 10_000, prefix: 's' }),
    () => rpc('Scan of 4 MiB', 'KVStore/Scan', ScanRequestSchema, { limit: 10_000, prefix: 'r' }),
    () => rpc('Scan of 8 MiB', 'KVStore/Scan', ScanRequestSchema, { limit: 10_000, prefix: 'l' }),
  ];
  for (const make of rpcs) for (const codec of ['proto', 'json'] as const) yield make()(codec);
  for (const isGzip of [false, true]) {
    for (const [what, hex] of [
      ['empty operations', EMPTY],
      ['tiny Gets', TINY],
    ] as const) {
      const body = Buffer.from(hex.repeat(Math.floor((32 * MIB * 2) / hex.length)), 'hex');
      yield raw(`Batch of 32 MiB of ${what}, proto`, 'application/proto', body, isGzip, true);
    }
    const json = Buffer.from(`{"operations":[${'{},'.repeat(62_000)}{}]}`);
    yield raw('Batch of 62,000 empty operations, json', 'application/json', json, isGzip, true);
    const fields = '"returnPrevious":true,"minAcks":1,"timeoutMs":5000,"requestId":"0123456789012345"';
    const full = `{"set":{"key":"k","value":"aGk=","ttlMs":"1000000","ifVersion":{"epoch":"1","lsn":"1"},${fields}}}`;
    const many = Buffer.from(`{"operations":[${Array(OPERATIONS).fill(full).join()}]}`);
    yield raw('Batch of 1,000 Sets with every field, json', 'application/json', many, isGzip, false);
  }
  yield put('PUT of 8 MiB', Buffer.alloc(8 * MIB, 9));
}

function put(name: string, body: Uint8Array): StallMessage {
  return { name, path: '/v1/keys/put', verb: 'PUT', type: 'application/octet-stream', isGzip: false, body };
}
