/** The calls that are measured, as bytes, and how each is to compare. */
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import {
  GetRequestSchema,
  IncrementRequestSchema,
  SetRequestSchema,
  TouchRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';

export const KEY = 'bench:0000000001';
export const VALUE = Buffer.alloc(100, 'v');

/**
 * Other servers that can do the same: stock connect-node, other kinds of stores, and HTTP/2
 * of nghttp2 (a small file) and of Go's net/http (fixed bytes), each on one thread.
 */
export type Beside = 'stock' | 'redis' | 'etcd' | 'nghttpd' | 'go';

export interface MeasuredCall {
  readonly id: string;
  readonly http: 1 | 2;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly contentType: string | undefined;
  readonly body: Uint8Array;
  /** By TLS 1.3, beside bare node:https or http2.createSecureServer. */
  readonly isTls?: true;
  /** Each request has a deadline and a trace context of its own, as those of a service do that is called itself. */
  readonly isHeadOwn?: true;
  /** Over HTTP/1.1, where not 32. */
  readonly connections?: number;
  /** The share of the rate of bare Node, and of stock connect-node, that is aimed at. */
  readonly aims: Readonly<Record<string, number>>;
  readonly beside: readonly Beside[];
}

function envelope(message: Uint8Array): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

const get = create(GetRequestSchema, { key: KEY });
const set = create(SetRequestSchema, { key: KEY, value: VALUE });
const MESSAGES = {
  Get: { proto: toBinary(GetRequestSchema, get), json: Buffer.from(toJsonString(GetRequestSchema, get)) },
  Set: { proto: toBinary(SetRequestSchema, set), json: Buffer.from(toJsonString(SetRequestSchema, set)) },
} as const;

const STOCK = 4;

function rpcs(name: 'Get' | 'Set'): MeasuredCall[] {
  const { proto, json } = MESSAGES[name];
  const verb = name.toLowerCase();
  const byHttp2 = name === 'Get' ? { bare: 4, stock: STOCK } : {};
  const common = { method: 'POST', path: `/walnut.v1.KVStore/${name}`, beside: ['stock'] } as const;
  const type = { proto: 'application/proto', json: 'application/json', grpc: 'application/grpc' };
  return [
    {
      ...common,
      id: `${verb} h1 proto`,
      http: 1,
      contentType: type.proto,
      body: proto,
      aims: { bare: 1.6, redis: 0.6, stock: STOCK },
      beside: ['stock', 'redis'],
    },
    { ...common, id: `${verb} h1 json`, http: 1, contentType: type.json, body: json, aims: { bare: 1.2 } },
    {
      ...common,
      id: `${verb} h2 proto`,
      http: 2,
      contentType: type.proto,
      body: proto,
      aims: { ...byHttp2, ...(name === 'Get' ? { redis: 1.4, nghttpd: 0.5, go: 3 } : {}) },
      beside: name === 'Get' ? ['stock', 'redis', 'nghttpd', 'go'] : ['stock', 'redis'],
    },
    {
      ...common,
      id: `${verb} grpc`,
      http: 2,
      contentType: type.grpc,
      body: envelope(proto),
      aims: byHttp2,
      beside: ['stock', 'etcd'],
    },
  ];
}

/** Uses a key of its own, because the other calls store a value that is not a number. */
const increment: MeasuredCall = {
  id: 'increment h1 proto',
  http: 1,
  method: 'POST',
  path: '/walnut.v1.KVStore/Increment',
  contentType: 'application/proto',
  body: toBinary(IncrementRequestSchema, create(IncrementRequestSchema, { key: 'bench:number' })),
  aims: {},
  beside: [],
};

/** Gives the entry of the other calls the deadline that it has: none. */
const touch: MeasuredCall = {
  ...increment,
  id: 'touch h1 proto',
  path: '/walnut.v1.KVStore/Touch',
  body: toBinary(
    TouchRequestSchema,
    create(TouchRequestSchema, { key: KEY, expiry: { case: 'expireAtMs', value: 0n } }),
  ),
};

const keysRoute = { http: 1, path: `/v1/keys/${KEY}`, contentType: undefined, aims: {}, beside: [] } as const;

/** The aims of ADR 16: more than bare Node, because what Walnut saves is not in the records of TLS. */
function byTls(id: string, bare: number): MeasuredCall {
  const clear = rpcs('Get').find((call) => call.id === id) as MeasuredCall;
  return { ...clear, id: `tls ${id}`, isTls: true, aims: { bare }, beside: [] };
}

/** The aims are those of calls whose head differs: what equal heads save is lost. */
function withOwnHeads(id: string, bare: number): MeasuredCall {
  const same = rpcs('Get').find((call) => call.id === id) as MeasuredCall;
  return { ...same, id: `${id}, own heads`, isHeadOwn: true, aims: { bare }, beside: [] };
}

/** etcd's messages have the key, and the value, as their first fields; it is asked by gRPC. */
export function etcdCall(name: 'get' | 'set'): MeasuredCall {
  const field = (no: number, bytes: Uint8Array): Buffer =>
    Buffer.concat([Buffer.from([(no << 3) | 2, bytes.length]), bytes]);
  const key = field(1, Buffer.from(KEY));
  const body = envelope(name === 'get' ? key : Buffer.concat([key, field(2, VALUE)]));
  const path = `/etcdserverpb.KV/${name === 'get' ? 'Range' : 'Put'}`;
  return { ...grpcCall(name), path, body };
}

function grpcCall(name: 'get' | 'set'): MeasuredCall {
  return CALLS.find(({ id }) => id === `${name} grpc`) as MeasuredCall;
}

export const CALLS: readonly MeasuredCall[] = [
  ...rpcs('Get'),
  { ...keysRoute, id: 'get /v1/keys', method: 'GET', body: new Uint8Array(0) },
  ...rpcs('Set'),
  { ...keysRoute, id: 'set /v1/keys', method: 'PUT', body: VALUE },
  increment,
  touch,
  withOwnHeads('get h1 proto', 1.4),
  withOwnHeads('get h2 proto', 3),
  byTls('get h1 proto', 1.2),
  byTls('get h2 proto', 2),
];
