/** The client against a real node, and against nodes that answer as told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  Code,
  ConnectError,
  createRouterTransport,
  type HandlerContext,
  type Transport,
} from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type BatchRequest, BatchResponseSchema, KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Durability, type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { connect } from '../../client/connect.ts';
import { Session } from '../../client/session.ts';
import type { WalnutClient, WalnutClientOptions } from '../../client/walnut-client.ts';
import { openHurried } from './hurried.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startMaster(): Promise<RunningMaster> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-client-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  cleanups.push(() => master.stop());
  return master;
}

/** On a busy machine an attempt may take more than its 1 s, and its repeat would be counted. */
function open(options: WalnutClientOptions): WalnutClient {
  const client = connect({ attemptMs: 10_000, ...options });
  cleanups.push(() => client.close());
  return client;
}

/** How many operations each Batch had, and the requests as sent. */
interface Watched {
  readonly sizes: number[];
  readonly requests: BatchRequest[];
  readonly transport: Transport;
}

function watch(address: string): Watched {
  const requests: BatchRequest[] = [];
  const sizes: number[] = [];
  const transport = createConnectTransport({
    baseUrl: `http://${address}`,
    httpVersion: '1.1',
    interceptors: [
      (next) => (request) => {
        const message = request.message as BatchRequest;
        // A client without a position asks for one before its first write.
        if (request.method.name === 'Batch') {
          requests.push(message);
          sizes.push(message.operations.length);
        }
        return next(request);
      },
    ],
  });
  return { sizes, requests, transport };
}

const bytes = (text: string): Uint8Array => Buffer.from(text);
const text = (value: Uint8Array): string => Buffer.from(value).toString();
const at = (lsn: number, epoch = 1n << 32n): Position => create(PositionSchema, { epoch, lsn: BigInt(lsn) });

async function refusal(promise: Promise<unknown>): Promise<ConnectError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ConnectError);
  return error as ConnectError;
}

describe('calls of one turn', () => {
  it('go in one Batch, and each has its own result or error', async () => {
    const { address } = await startMaster();
    const { sizes, transport } = watch(address);
    const client = open({ address, transport });
    const [set, get, bad, missing, removed] = await Promise.all([
      client.set('a', bytes('one')),
      client.get('a'),
      refusal(client.set('', bytes('x'))),
      client.get('b'),
      client.delete('a'),
    ]);
    expect(sizes).toEqual([5]);
    expect([set.applied, text(get.value), missing.found, removed.deleted]).toEqual([
      true,
      'one',
      false,
      true,
    ]);
    expect(get.version).toEqual(set.position);
    expect(bad.code).toBe(Code.InvalidArgument);
    expect(bad.rawMessage).toContain('key is empty');
  });

  it('add to numbers in their order', async () => {
    const { address } = await startMaster();
    const { sizes, transport } = watch(address);
    const client = open({ address, transport });
    const calls = [client.increment('n'), client.increment('n', { delta: -5n }), client.get('n')] as const;
    const [one, two, got] = await Promise.all(calls);
    expect([one.value, two.value, text(got.value), sizes]).toEqual([1n, -4n, '-4', [3]]);
    expect(client.session.token).toEqual(two.position);
    await client.set('n', bytes('x'));
    expect((await refusal(client.increment('n'))).code).toBe(Code.FailedPrecondition);
    expect((await refusal(client.increment('m', { delta: 2n ** 63n }))).code).toBe(Code.InvalidArgument);
  });

  it('keep their order with atomic batches, which go alone', async () => {
    const { address } = await startMaster();
    const { sizes, requests, transport } = watch(address);
    const client = open({ address, transport });
    const ifAbsent = { case: 'ifAbsent', value: true } as const;
    const value = new Uint8Array();
    const [, , atomic, unmet, got] = await Promise.all([
      client.set('a', bytes('one')),
      client.increment('n'),
      client.atomic([{ get: { key: 'a' } }, { increment: { key: 'n' } }, { delete: { key: 'a' } }]),
      client.atomic([{ set: { key: 'b', value } }, { set: { key: 'n', value, condition: ifAbsent } }], {
        minAcks: 0,
      }),
      client.get('a'),
    ]);
    expect(sizes).toEqual([2, 3, 2, 1]);
    expect(requests.map((request) => request.atomic)).toEqual([false, true, true, false]);
    expect(atomic).toMatchObject({ committed: true });
    expect(atomic.results[1]?.result.value).toMatchObject({ value: 2n, position: atomic.position });
    expect(atomic.results.map(({ result }) => result.case)).toEqual(['get', 'increment', 'delete']);
    expect(unmet).toMatchObject({ committed: false });
    expect(got.found).toBe(false);
    expect(client.session.token?.lsn).toBeGreaterThanOrEqual(atomic.position?.lsn ?? 0n);
    const refused = await refusal(client.atomic([{ set: { key: 'x', value } }, { set: { key: '', value } }]));
    expect([refused.code, refused.rawMessage]).toEqual([
      Code.InvalidArgument,
      expect.stringContaining('operations[1]: key is empty'),
    ]);
    for (const ill of [
      client.atomic([{ get: { key: 'a\ud800' } }]),
      client.atomic([{ set: { key: 'a', value: bytes('1') } }], { requestId: '\udc00' }),
      client.atomic([{ increment: { key: 'a', delta: 2n ** 64n } }]),
    ])
      expect((await refusal(ill)).code).toBe(Code.InvalidArgument);
  });

  it('come before a DeletePrefix that is called after them', async () => {
    const { address } = await startMaster();
    const client = open({ address });
    const sets = Array.from({ length: 1_500 }, (_, i) => client.set(`p:${i}`, bytes('v')));
    sets.push(client.set('other', bytes('v')));
    const deleted = client.deletePrefix('p:');
    await Promise.all(sets);
    expect(await deleted).toBe(1_500);
    expect([(await client.get('p:7')).found, (await client.get('other')).found]).toEqual([false, true]);
    expect(await client.deletePrefix('', { all: true, limit: 1 })).toBe(1);
    expect((await refusal(client.deletePrefix(''))).code).toBe(Code.InvalidArgument);
    expect((await refusal(client.deletePrefix('\ud800'))).code).toBe(Code.InvalidArgument);
  });

  it('come before what is scanned, awaited and read from the log after them', async () => {
    const { address } = await startMaster();
    const client = open({ address });
    expect((await refusal(client.awaitDurable())).code).toBe(Code.InvalidArgument);
    const keys = Array.from({ length: 25 }, (_, i) => `p:${i}`);
    const sets = Promise.all(keys.map((key) => client.set(key, bytes('v'))));
    const awaited = client.awaitDurable();
    const found: string[] = [];
    for await (const { key, value } of client.scan('p:', { limit: 10 })) found.push(`${key}=${text(value)}`);
    expect(found.sort()).toEqual(keys.map((key) => `${key}=v`).sort());
    const last = (await sets).at(-1)?.position;
    expect((await awaited).durable?.lsn).toBeGreaterThanOrEqual(last?.lsn ?? 0n);
    const { entries } = await client.getUpdates();
    expect(entries.map(({ key }) => key)).toEqual(keys);
    expect((await client.getUpdates({ after: last as Position })).entries).toEqual([]);
    for await (const { key } of client.scan('p:', { limit: 1 })) {
      expect(keys).toContain(key);
      break;
    }
    await expect(client.scan('\ud800').next()).rejects.toMatchObject({ code: Code.InvalidArgument });
    await client.close();
    for (const call of [client.scan('').next(), client.awaitDurable(), client.getUpdates()])
      expect((await refusal(call)).code).toBe(Code.Canceled);
  });

  it('of who had an answer together go together again', async () => {
    const { address } = await startMaster();
    const { sizes, transport } = watch(address);
    const client = open({ address, transport });
    const caller = async (key: string): Promise<string> => {
      await client.set(key, bytes(key));
      await Promise.resolve();
      return text((await client.get(key)).value);
    };
    const keys = Array.from({ length: 50 }, (_, i) => `k${i}`);
    expect(await Promise.all(keys.map(caller))).toEqual(keys);
    expect(sizes).toEqual([50, 50]);
  });

  it('are split where they are too many or too long, in their order', async () => {
    const { address } = await startMaster();
    const { sizes, transport } = watch(address);
    const client = open({ address, transport, batchOperationsMax: 10, batchBytesMax: 5_000 });
    const small = Array.from({ length: 25 }, (_, i) => client.set('n', bytes(String(i))));
    const long = [1, 2, 3].map((i) => client.set('n', Buffer.alloc(3_000, i)));
    const huge = client.set('n', Buffer.alloc(20_000, 9));
    await Promise.all([...small, ...long, huge]);
    expect(sizes).toEqual([10, 10, 6, 1, 1, 1]);
    expect((await client.get('n')).value).toEqual(new Uint8Array(20_000).fill(9));
  });

  it('beyond what may wait are refused at once, and the others carried out', async () => {
    const { address } = await startMaster();
    const client = open({ address, queuedOperationsMax: 3, queuedBytesMax: 10_000 });
    const calls = [1, 2, 3, 4].map((i) => client.set(`k${i}`, bytes('v')));
    const error = await refusal(calls[3] as Promise<unknown>);
    expect([error.code, error.rawMessage]).toEqual([
      Code.ResourceExhausted,
      expect.stringContaining('queuedOperationsMax'),
    ]);
    await Promise.all(calls.slice(0, 3));
    const large = [client.set('a', Buffer.alloc(9_000)), client.set('b', Buffer.alloc(9_000))];
    expect((await refusal(large[1] as Promise<unknown>)).code).toBe(Code.ResourceExhausted);
    expect((await large[0])?.applied).toBe(true);
  });
});

describe('a sequence of calls', () => {
  it('does what a Map does, however it falls into batches', async () => {
    const { address } = await startMaster();
    const key = fc.constantFrom('a', 'b', 'schlüssel', '鍵');
    const operation = fc.record({
      kind: fc.constantFrom('get', 'set', 'delete', 'add'),
      key,
      value: fc.string({ maxLength: 20 }),
      waits: fc.boolean(),
    });
    const limit = fc.integer({ min: 1, max: 7 });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.array(operation, { maxLength: 40 }),
        limit,
        async (operations, batchOperationsMax) => {
          const client = connect({ address, batchOperationsMax });
          const model = new Map<string, string>();
          const prefix = `${run++}:`;
          const answers: Promise<unknown>[] = [];
          const expected: unknown[] = [];
          for (const { kind, key: name, value, waits } of operations) {
            const known = model.get(name);
            const full = prefix + name;
            if (kind === 'get') {
              answers.push(
                client.get(full).then(({ found, value: read }) => (found ? text(read) : undefined)),
              );
              expected.push(known);
            } else if (kind === 'delete') {
              answers.push(client.delete(full).then(({ deleted }) => deleted));
              expected.push(model.delete(name));
            } else {
              const isAdd = kind === 'add';
              const condition = { case: 'ifAbsent', value: true } as const;
              const answer = client.set(full, bytes(value), isAdd ? { condition } : {});
              answers.push(answer.then(({ applied }) => applied));
              expected.push(!isAdd || known === undefined);
              if (!isAdd || known === undefined) model.set(name, Buffer.from(value).toString());
            }
            if (waits) await answers.at(-1);
          }
          expect(await Promise.all(answers)).toEqual(expected);
          await client.close();
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('a session', () => {
  it('lets reads wait for what was written, and tells what can never be read', async () => {
    const { address } = await startMaster();
    const { requests, transport } = watch(address);
    const client = open({ address, transport });
    const { position } = await client.set('a', bytes('one'));
    expect(client.session.token).toEqual(position);
    await client.get('a');
    const [sent] = requests[1]?.operations ?? [];
    expect(sent?.operation.value).toMatchObject({ atLeast: position, waitMs: 1_000 });

    const beyond = create(PositionSchema, { epoch: position?.epoch ?? 0n, lsn: 1_000n });
    const other = open({ address, session: new Session(beyond) });
    expect((await refusal(other.get('a'))).code).toBe(Code.DataLoss);
    other.session.reset();
    expect((await other.get('a')).found).toBe(true);
  });

  it('keeps the newest position, whatever order answers come in', () => {
    const session = new Session();
    for (const lsn of [3, 7, 5]) session.observe(at(lsn));
    expect(session.token).toEqual(at(7));
    session.observe(at(2, 2n << 32n));
    session.observe(at(9));
    session.observe(at(0, 9n << 32n));
    session.observe(undefined);
    expect(session.token).toEqual(at(2, 2n << 32n));
  });
});

describe('failures', () => {
  /** A node that answers as told. */
  function told(batch: (request: BatchRequest) => unknown): WalnutClientOptions {
    const transport = createRouterTransport(({ rpc }) => {
      rpc(KVStore.method.batch, (request) => create(BatchResponseSchema, batch(request) as object));
    });
    return { address: 'nowhere:1', transport };
  }

  const found = (request: BatchRequest): object => ({
    results: request.operations.map(() => ({ result: { case: 'get', value: { found: true } } })),
  });

  it('of a whole Batch reach each of its calls, and none after it', async () => {
    let isDown = true;
    const options = told((request) => {
      if (isDown) throw new ConnectError('no one here', Code.Unavailable);
      return found(request);
    });
    const { client, settle } = openHurried(options);
    const calls = [refusal(client.get('a')), refusal(client.set('b', bytes('')))];
    const errors = await settle(Promise.all(calls));
    expect(errors.map(({ code }) => code)).toEqual([Code.Unavailable, Code.Unavailable]);
    isDown = false;
    expect((await client.get('a')).found).toBe(true);
  });

  it('of time leave a Batch what its calls may wait', async () => {
    const timeouts: (number | undefined)[] = [];
    const transport = createRouterTransport(({ rpc }) => {
      rpc(KVStore.method.batch, (request, context) => {
        timeouts.push(context.timeoutMs());
        return found(request);
      });
    });
    const client = open({ address: 'told:1', transport, attemptMs: 1_000, timeoutMs: 2_000 });
    await client.get('a');
    await client.get('b', { waitMs: 30_000 });
    await client.get('c', { waitMs: 4_000_000_000 });
    expect(timeouts[0]).toBeLessThanOrEqual(1_000);
    expect(timeouts[1]).toBeGreaterThan(30_000);
    expect(timeouts[1]).toBeLessThanOrEqual(32_000);
    // A node refuses that by itself; a timer of that length would end at once.
    expect(timeouts[2]).toBeLessThanOrEqual(62_000);
  });

  it('of time leave writes what a node takes for their durability, also where the caller does not say', async () => {
    const timeoutMs = 4_900;
    const timeouts: number[] = [];
    const note = (_: unknown, context: HandlerContext): object => {
      timeouts.push(context.timeoutMs() ?? 0);
      return { results: [{ result: { case: 'increment', value: {} } }] };
    };
    const transport = createRouterTransport(({ rpc }) => {
      rpc(KVStore.method.batch, note);
      rpc(KVStore.method.deletePrefix, note);
      rpc(KVStore.method.awaitDurable, note);
    });
    const session = new Session(create(PositionSchema, { epoch: 1n, lsn: 1n }));
    const client = open({ address: 'told:1', transport, session, attemptMs: timeoutMs, timeoutMs });
    await client.increment('a');
    await client.increment('a', { durability: Durability.QUORUM });
    await client.increment('a', { durability: Durability.LOCAL });
    await client.increment('a', { minAcks: 1, timeoutMs: 100_000 });
    await client.increment('a', { timeoutMs: 2_000 });
    await client.atomic([{ increment: { key: 'a' } }], { minAcks: 1 });
    await client.deletePrefix('a', { minAcks: 1 });
    await client.awaitDurable({ position: { epoch: 1n, lsn: 1n }, timeoutMs: 4_000_000_000 });
    for (const [i, seconds] of [0, 5, 5, 60, 2, 5, 5, 60].entries()) {
      expect(timeouts[i]).toBeGreaterThan(seconds * 1_000);
      expect(timeouts[i]).toBeLessThanOrEqual(seconds * 1_000 + timeoutMs);
    }
  });

  it('of a node that cannot be reached are UNAVAILABLE', async () => {
    const { client, settle } = openHurried({ address: '127.0.0.1:1' });
    expect((await settle(refusal(client.get('a')))).code).toBe(Code.Unavailable);
  });

  it('of writes on a replica leave the reads beside them alone', async () => {
    const hint = new Headers({ 'x-leader-hint': 'master:1' });
    const client = open(
      told((request) => {
        if (request.operations.every(({ operation }) => operation.case === 'get')) return found(request);
        throw new ConnectError('a replica takes no writes', Code.FailedPrecondition, hint);
      }),
    );
    const [read, error] = await Promise.all([client.get('a'), refusal(client.set('a', bytes('')))]);
    expect(read.found).toBe(true);
    expect([error.code, error.metadata.get('x-leader-hint')]).toEqual([Code.FailedPrecondition, 'master:1']);
  });

  it('of an answer that grew too long are read by themselves', async () => {
    const tooLong = { case: 'error', value: { code: 'resource_exhausted', message: 'too long' } };
    const client = open(
      told((request) => {
        if (request.operations.length === 1) return found(request);
        return { results: request.operations.map(() => ({ result: tooLong })) };
      }),
    );
    const [a, b, write] = await Promise.all([
      client.get('a'),
      client.get('b'),
      refusal(client.set('c', bytes(''))),
    ]);
    expect([a.found, b.found, write.code]).toEqual([true, true, Code.ResourceExhausted]);
  });

  it('of an answer that does not fit the request are INTERNAL', async () => {
    const short = open(told(() => ({ results: [] })));
    expect((await refusal(short.get('a'))).code).toBe(Code.Internal);
    const other = open(told(() => ({ results: [{ result: { case: 'set', value: {} } }] })));
    expect((await refusal(other.get('a'))).code).toBe(Code.Internal);
  });

  it('of a call that no message can contain are its own', async () => {
    const { address } = await startMaster();
    const client = open({ address });
    const calls = [
      client.set('a', bytes('one')),
      client.set('b', bytes('two'), { minAcks: -1 }),
      client.get('a', { waitMs: 0.5 }),
      client.set('c', bytes('three')),
    ];
    const [first, second, third, last] = await Promise.allSettled(calls);
    expect([first?.status, last?.status]).toEqual(['fulfilled', 'fulfilled']);
    for (const refused of [second, third]) {
      expect(refused).toMatchObject({ status: 'rejected', reason: { code: Code.InvalidArgument } });
    }
    expect(text((await client.get('c')).value)).toBe('three');
  });

  it('of keys and names that are no text are told, and nothing is written under another', async () => {
    const { address } = await startMaster();
    const client = open({ address });
    const errors = await Promise.all([
      refusal(client.set('a\ud800', bytes('x'))),
      refusal(client.get('a\udc00')),
      refusal(client.set('a', bytes('x'), { requestId: '\ud800' })),
    ]);
    expect(errors.map(({ code }) => code)).toEqual(errors.map(() => Code.InvalidArgument));
    expect((await client.get('a\ufffd')).found).toBe(false);
    expect((await client.get('a')).found).toBe(false);
  });

  it('of options are told by name', () => {
    expect(() => connect({ address: 'a:1', batchOperationsMax: 1_001 })).toThrow('batchOperationsMax');
    expect(() => connect({ address: 'a:1', queuedBytesMax: 0 })).toThrow('queuedBytesMax');
  });

  it.each(['', 'a b', 'http://localhost:8080', 'a:0'])(
    'of the address %j say what is expected',
    (address) => {
      const open = (): unknown => connect({ address });
      expect(open).toThrow('expected host:port such as 127.0.0.1:8080');
      expect(open).toThrow(expect.objectContaining({ code: Code.InvalidArgument }));
    },
  );
});

describe('close', () => {
  it('settles what was called before it, and refuses what comes after', async () => {
    const { address } = await startMaster();
    const client = connect({ address, batchOperationsMax: 2 });
    const before = Array.from({ length: 9 }, (_, i) => client.set(`k${i}`, bytes('v')));
    const closing = client.close();
    expect((await refusal(client.get('k0'))).code).toBe(Code.Canceled);
    await closing;
    expect((await Promise.all(before)).every(({ applied }) => applied)).toBe(true);
    await client.close();
  });
});
