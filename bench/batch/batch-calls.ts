/** Batches of 100 Gets and of 100 Sets, and the single calls that they are compared with. */
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import {
  type BatchOperationSchema,
  BatchRequestSchema,
  GetRequestSchema,
  SetRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import type { MeasuredCall } from '../unary/calls.ts';

export const OPERATIONS = 100;
const VALUE = Buffer.alloc(100, 'v');
const KEYS = Array.from({ length: OPERATIONS }, (_, i) => `key:${String(i).padStart(12, '0')}`);

export type Verb = 'get' | 'set';

/** A call that contains `operations` operations. */
export interface BatchCall extends MeasuredCall {
  readonly verb: Verb;
  readonly operations: number;
}

export function operationsOf(verb: Verb): Uint8Array {
  const operations = KEYS.map((key) =>
    verb === 'get'
      ? { operation: { case: 'get' as const, value: create(GetRequestSchema, { key }) } }
      : { operation: { case: 'set' as const, value: create(SetRequestSchema, { key, value: VALUE }) } },
  );
  return toBinary(BatchRequestSchema, create(BatchRequestSchema, { operations }));
}

export function singleOf(verb: Verb): MeasuredCall {
  const key = KEYS[0] as string;
  const body =
    verb === 'get'
      ? toBinary(GetRequestSchema, create(GetRequestSchema, { key }))
      : toBinary(SetRequestSchema, create(SetRequestSchema, { key, value: VALUE }));
  const path = `/walnut.v1.KVStore/${verb === 'get' ? 'Get' : 'Set'}`;
  return { ...common(1), id: `${verb} alone`, path, body };
}

function common(http: 1 | 2): Omit<MeasuredCall, 'id' | 'path' | 'body'> {
  return { http, method: 'POST', contentType: 'application/proto', aims: {}, beside: [] };
}

function batchOf(verb: Verb, http: 1 | 2, aims: MeasuredCall['aims']): BatchCall {
  const id = `batch of ${OPERATIONS} ${verb}s h${http}`;
  const path = '/walnut.v1.KVStore/Batch';
  return { ...common(http), id, path, body: operationsOf(verb), aims, verb, operations: OPERATIONS };
}

/** Batches of Gets and of Sets. */
export function batchCalls(http: 1 | 2): BatchCall[] {
  return [batchOf('get', http, {}), batchOf('set', http, {})];
}

type Operation = MessageInitShape<typeof BatchOperationSchema>;

/** Batches of other kinds, each beside plain batches of Sets. */
function otherBatch(
  kind: string,
  atomic: boolean,
  of: (key: string, i: number) => Operation['operation'],
): BatchCall {
  const operations = KEYS.map((key, i) => ({ operation: of(key, i) }) as Operation);
  const body = toBinary(BatchRequestSchema, create(BatchRequestSchema, { atomic, operations }));
  const id = `batch of ${OPERATIONS} ${kind} h1`;
  const path = '/walnut.v1.KVStore/Batch';
  return { ...common(1), id, path, body, verb: 'set', operations: OPERATIONS };
}

/** Sets beside a redis-server that makes the same promise: its log is synced each second. */
export const LOGGING = 'redis everysec';

export const BATCH_CALLS: readonly BatchCall[] = [
  batchOf('get', 1, { redis: 0.8 }),
  batchOf('set', 1, { [LOGGING]: 1 }),
  ...batchCalls(2),
  otherBatch('atomic sets', true, (key) => ({ case: 'set', value: { key, value: VALUE } })),
  otherBatch('sets, gets and deletes', false, (key, i) => {
    if (i % 3 === 0) return { case: 'set', value: { key, value: VALUE } };
    return { case: i % 3 === 1 ? 'get' : 'delete', value: { key } };
  }),
  otherBatch('increments', false, (key) => ({ case: 'increment', value: { key: `number:${key}` } })),
  otherBatch('touches', false, (key) => ({
    case: 'touch',
    value: { key: `number:${key}`, expiry: { case: 'expireAtMs', value: 0n } },
  })),
];
