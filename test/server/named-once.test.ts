/**
 * A write that is sent again under its name is done once: each kind of write, by itself and in a
 * Batch, named in both ways, over each form of message, to a real master and to a gateway over
 * three of them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Client, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BatchOperationSchema, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { RunningGateway } from '#test/server/running-gateway.ts';

type Store = Client<typeof KVStore>;
type Operation = NonNullable<MessageInitShape<typeof BatchOperationSchema>['operation']>;
type Kind = 'increment' | 'delete' | 'set' | 'touch';
type Name = { readonly clientId: bigint; readonly sequence: bigint } | { readonly requestId: string };
/** Sends a write, and tells whether the answer says `repeated`. */
type Way = (store: Store, kind: Kind, fields: object) => Promise<boolean>;

interface Served {
  readonly address: string;
  stop(): Promise<void>;
}

const SERVERS: Readonly<Record<string, (directory: string) => Promise<Served>>> = {
  'a master': (directory) => RunningMaster.start(directory),
  'a gateway over three groups': (directory) => RunningGateway.start(directory),
};

const TRANSPORTS: readonly [string, (baseUrl: string) => Transport][] = [
  ['protobuf over HTTP/1.1', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  [
    'protobuf over HTTP/2',
    (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2', idleConnectionTimeoutMs: 10 }),
  ],
  ['JSON', (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat: false })],
  ['gRPC', (baseUrl) => createGrpcTransport({ baseUrl, idleConnectionTimeoutMs: 10 })],
];

const operationOf = (kind: Kind, value: object): { readonly operation: Operation } => ({
  operation: { case: kind, value } as Operation,
});

const WAYS: Readonly<Record<string, Way>> = {
  'by itself': async (store, kind, fields) => {
    const send = store[kind] as (request: object) => Promise<{ readonly repeated: boolean }>;
    return (await send(fields)).repeated;
  },
  'in a Batch with writes without a name': async (store, kind, fields) => {
    const others = ['x', 'y', 'z'].map((key) => operationOf('set', { key, value: bytesOf(key) }));
    const { results } = await store.batch({ operations: [...others, operationOf(kind, fields)] });
    expect(results.map(({ result }) => result.case)).toEqual(['set', 'set', 'set', kind]);
    const mine = results[3]?.result.value as { readonly repeated: boolean } | undefined;
    return mine?.repeated === true;
  },
  'in an atomic Batch that has the name': async (store, kind, fields) => {
    const { clientId, sequence, requestId, ...own } = fields as Record<string, unknown>;
    const name = { clientId, sequence, requestId } as object;
    const { results, repeated } = await store.batch({
      atomic: true,
      operations: [operationOf(kind, own)],
      ...name,
    });
    expect(results.map(({ result }) => result.case)).toEqual([kind]);
    return repeated;
  },
};

let named = 0;
const NAMES: Readonly<Record<string, () => Name>> = {
  client_id: () => ({ clientId: 2n ** 63n + BigInt(++named), sequence: 7n }),
  request_id: () => ({ requestId: `write ${++named}` }),
};

const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text));

interface Case {
  /** What the write asks for beside its key. */
  readonly fields: object;
  /** What somebody else does to the key before it, and after it. */
  readonly before?: (store: Store, key: string) => Promise<unknown>;
  readonly after: (store: Store, key: string) => Promise<unknown>;
  /** What is seen after it was done once, and at the end. */
  readonly done: string;
  readonly left: string;
}

const theirs = (store: Store, key: string) => store.set({ key, value: bytesOf('theirs') });

const CASES: Readonly<Record<Kind, Case>> = {
  increment: {
    fields: { delta: 5n },
    after: (store, key) => store.increment({ key, delta: 1n }),
    ...{ done: '5', left: '6' },
  },
  delete: { fields: {}, before: theirs, after: theirs, done: 'missing', left: 'theirs' },
  set: { fields: { value: bytesOf('mine') }, after: theirs, done: 'mine', left: 'theirs' },
  touch: {
    fields: { expiry: { case: 'ttlMs', value: 3_600_000n } },
    ...{ before: theirs, after: theirs, done: 'theirs until its deadline', left: 'theirs' },
  },
};

async function seen(store: Store, key: string): Promise<string> {
  const { found, value, expireAtMs } = await store.get({ key });
  const text = found ? Buffer.from(value).toString() : 'missing';
  return expireAtMs === 0n ? text : `${text} until its deadline`;
}

describe.each(Object.entries(SERVERS))('a named write to %s', (_, start) => {
  let directory = '';
  let served: Served;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'walnut-named-once-'));
    served = await start(directory);
  });
  afterAll(async () => {
    await served.stop();
    rmSync(directory, { recursive: true, force: true });
  });

  const asked = TRANSPORTS.flatMap(([form, createTransport]) =>
    Object.keys(WAYS).map((way) => ({ form, createTransport, way })),
  );
  it.each(asked)('in $form, $way, is done once', async ({ form, createTransport, way }) => {
    const store = createClient(KVStore, createTransport(`http://${served.address}`));
    const send = WAYS[way] as Way;
    for (const [how, name] of Object.entries(NAMES)) {
      for (const [kind, { fields, before, after, done, left }] of Object.entries(CASES)) {
        const key = `${kind} ${form} ${way} ${how}`;
        const write = { key, ...fields, ...name() };
        await before?.(store, key);
        const both = [send(store, kind as Kind, write), send(store, kind as Kind, write)];
        expect((await Promise.all(both)).sort(), key).toEqual([false, true]);
        expect(await seen(store, key), key).toBe(done);
        await after(store, key);
        expect(await send(store, kind as Kind, write), key).toBe(true);
        expect(await seen(store, key), key).toBe(left);
      }
    }
  });
});
