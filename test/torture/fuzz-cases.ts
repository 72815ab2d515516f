/** Requests that are nearly right: from good ones, with bytes changed, cut out, repeated, put in or taken from others. */
import { create, type DescMessage, type DescService, toBinary, toJsonString } from '@bufbuild/protobuf';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import {
  DeleteRequestSchema,
  IncrementRequestSchema,
  KVStore,
  SetRequestSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import type { SeededRandom } from '#test/doubles/seeded-random.ts';

export interface FuzzCase {
  readonly verb: string;
  readonly path: string;
  readonly user: string;
  readonly type: 'application/proto' | 'application/json' | undefined;
  readonly body: Buffer;
  /** What the body of an rpc should be. */
  readonly input: DescMessage | undefined;
}

const KEY = 'own:k';
const VALUE = Buffer.from('value');
/** Good requests of the rpcs that write, and of some that read; the others begin with an empty one. */
const GOOD: Readonly<Record<string, Record<string, unknown>>> = {
  Get: { key: KEY, fillLeaseMs: 1_000 },
  Set: {
    key: KEY,
    value: VALUE,
    expiry: { case: 'ttlMs', value: 5n },
    returnPrevious: true,
    contentType: 'text/plain',
  },
  Delete: {
    key: KEY,
    condition: { case: 'ifVersion', value: create(PositionSchema, { epoch: 7n, lsn: 1n }) },
  },
  Increment: { key: 'own:n', delta: 5n, condition: { case: 'ifPresent', value: true }, requestId: 'name' },
  Touch: { key: KEY, expiry: { case: 'expireAtMs', value: 99n } },
  Scan: { prefix: 'own:', limit: 5 },
  GetUpdates: { maxBytes: 100 },
  Batch: {
    operations: [
      { operation: { case: 'set', value: create(SetRequestSchema, { key: KEY, value: VALUE }) } },
      {
        operation: { case: 'increment', value: create(IncrementRequestSchema, { key: 'own:n', delta: 1n }) },
      },
      { operation: { case: 'delete', value: create(DeleteRequestSchema, { key: 'own:d' }) } },
    ],
  },
};
const USERS: readonly (readonly [DescService, string])[] = [
  [KVStore, 'app'],
  [Admin, 'chief'],
  [Replication, 'replica'],
];
const PATHS = ['/v1/keys/own%3Ak?ttl=5s', '/v1/keys/own%3An?increment=1', '/v1/keys?prefix=own%3A&limit=5'];
const VERBS = ['PUT', 'POST', 'GET', 'DELETE', 'HEAD'];

interface Seed {
  readonly name: string;
  readonly input: DescMessage;
  readonly path: string;
  readonly user: string;
  readonly binary: Buffer;
  readonly json: Buffer;
}

const SEEDS: readonly Seed[] = USERS.flatMap(([service, user]) =>
  service.methods.flatMap(({ methodKind, name, input }): Seed[] => {
    if (methodKind !== 'unary') return [];
    const message = create(input, service === KVStore ? (GOOD[name] ?? {}) : {});
    const forms = {
      binary: Buffer.from(toBinary(input, message)),
      json: Buffer.from(toJsonString(input, message)),
    };
    return [{ name, input, path: `/${service.typeName}/${name}`, user, ...forms }];
  }),
);
/** These write, so most cases begin with them. */
const WRITES = SEEDS.filter(({ name }) => ['Set', 'Delete', 'Increment', 'Touch', 'Batch'].includes(name));

export function nextCase(random: SeededRandom): FuzzCase {
  const kind = random.below(20);
  const seed = pick(random, random.below(3) === 0 ? SEEDS : WRITES);
  const { input, path, user } = seed;
  if (kind < 13)
    return {
      verb: 'POST',
      path,
      user,
      input,
      type: 'application/proto',
      body: mutate(random, seed.binary, otherBinary),
    };
  if (kind < 18)
    return {
      verb: 'POST',
      path,
      user,
      input,
      type: 'application/json',
      body: mutate(random, seed.json, otherJson),
    };
  const target = mutate(random, Buffer.from(pick(random, PATHS).slice('/v1/keys'.length)), otherPath);
  const escaped = target
    .toString('latin1')
    .replace(/[^!-~]|#/g, (one) => `%${one.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return {
    verb: pick(random, VERBS),
    path: `/v1/keys${escaped}`,
    user: 'app',
    type: undefined,
    input: undefined,
    body: VALUE,
  };
}

const otherBinary = (random: SeededRandom): Buffer => pick(random, SEEDS).binary;
const otherJson = (random: SeededRandom): Buffer => pick(random, SEEDS).json;
const otherPath = (random: SeededRandom): Buffer => Buffer.from(pick(random, PATHS));

/** Bytes that readers of numbers, lengths and texts stumble over. */
const ODD = [
  [0],
  [0xff],
  [0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1],
  [0xed, 0xa0, 0x80],
  [0x22],
  [0x5c, 0x75],
  [0x7b],
  [0x0a],
];

/** One to four changes. `other`: a good input to take a piece of. */
export function mutate(random: SeededRandom, good: Buffer, other: (random: SeededRandom) => Buffer): Buffer {
  let bytes = good;
  for (let left = 1 + random.below(4); left > 0; left--) bytes = change(random, bytes, other);
  return bytes;
}

function change(random: SeededRandom, bytes: Buffer, other: (random: SeededRandom) => Buffer): Buffer {
  const at = random.below(bytes.length + 1);
  const end = Math.min(bytes.length, at + random.below(8));
  const before = bytes.subarray(0, at);
  switch (random.below(7)) {
    case 0:
      return Buffer.concat([before, Buffer.from(pick(random, ODD)), bytes.subarray(end)]);
    case 1:
      return Buffer.concat([before, bytes.subarray(end)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    case 3:
      return Buffer.concat([before, Buffer.from([random.below(256)]), bytes.subarray(at)]);
    case 4:
      return Buffer.from(before);
    case 5: {
      const piece = other(random);
      return Buffer.concat([before, piece.subarray(random.below(piece.length + 1)), bytes.subarray(end)]);
    }
    default: {
      const flipped = Buffer.from(bytes);
      if (at < flipped.length) flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
      return flipped;
    }
  }
}

function pick<T>(random: SeededRandom, all: readonly T[]): T {
  return all[random.below(all.length)] as T;
}
