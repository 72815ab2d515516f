/** Options of calls: deadlines as numbers, and names that do not exist, against a real node. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { expect, it, onTestFinished } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { type DeadlineOptions, withExpiry } from '../../client/call-options.ts';
import { connect } from '../../client/connect.ts';
import type { IncrementOptions, SetOptions } from '../../client/operations.ts';
import type { WalnutClient } from '../../client/walnut-client.ts';
import { SimulatedCluster } from './simulated-cluster.ts';

const VALUE = new Uint8Array([1]);
const AT_MS = 4_000_000_000_000;

async function start() {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-options-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const client = connect(master.address);
  onTestFinished(() => client.close());
  return client;
}

it('takes deadlines as numbers and dates, in every write that has one', async () => {
  const client = await start();
  const expireAtMs = async (key: string) => (await client.get(key)).expireAtMs;
  await client.set('a', VALUE, { ttlMs: 60_000 });
  expect(await expireAtMs('a')).toBeGreaterThan(0n);
  await client.set('b', VALUE, { expireAtMs: AT_MS });
  await client.increment('n', { delta: 2n, expireAtMs: new Date(AT_MS) });
  await client.touch('a', { expireAtMs: AT_MS });
  await client.atomic([{ set: { key: 'c', value: VALUE, expireAtMs: AT_MS } }]);
  await client.map('m:', { encode: () => VALUE, decode: () => 1 }).set('d', 1, { expireAtMs: AT_MS });
  for (const key of ['a', 'b', 'n', 'c', 'm:d']) expect(await expireAtMs(key)).toBe(BigInt(AT_MS));
  await client.touch('a', { expireAtMs: 0 });
  expect(await expireAtMs('a')).toBe(0n);
});

/** Clients of a node, and of a cluster whose map is not known: there nothing may wait for the map that can be refused. */
const CLIENTS: readonly [string, () => Promise<WalnutClient>][] = [
  ['a node', start],
  ['a cluster without a map', async () => withoutMap().open()],
];

function withoutMap(): SimulatedCluster {
  const cluster = new SimulatedCluster();
  cluster.isCoordinated = false;
  return cluster;
}

it.each(CLIENTS)('refuses options that do not exist, by name, and writes nothing: %s', async (name, open) => {
  const client = await open();
  // @ts-expect-error: no such option
  const ttl: SetOptions = { ttl: 5 };
  // @ts-expect-error: no such option
  const by: IncrementOptions = { by: 2n };
  const calls: readonly [string, () => Promise<unknown>][] = [
    ['ttl', () => client.set('k', VALUE, ttl)],
    ['key', () => client.set('k', VALUE, { key: 'other' } as never)],
    ['by', () => client.increment('k', by)],
    ['ttl', () => client.touch('k', { ttl: 5 } as never)],
    ['ifVersion', () => client.delete('k', { ifVersion: 1 } as never)],
    ['fresh', () => client.get('k', { fresh: true } as never)],
    ['ttl', () => client.atomic([{ set: { key: 'k', value: VALUE, ttl: 5 } as never }])],
    ['retry', () => client.atomic([{ get: { key: 'k' } }], { retry: 1 } as never)],
    ['limits', () => client.deletePrefix('k', { limits: 1 } as never)],
    ['count', () => Array.fromAsync(client.scan('k', { count: 1 } as never))],
    ['places', () => client.awaitDurable({ places: 1 } as never)],
    ['max', () => client.getUpdates({ max: 1 } as never)],
    ['ttl', () => client.map('', { encode: () => VALUE, decode: () => 1 }).set('k', 1, ttl)],
    [
      'ttl',
      () => client.map('', { encode: () => VALUE, decode: () => 1 }).getOrSet('k', () => 1, ttl as never),
    ],
  ];
  for (const [option, call] of calls)
    await expect(call(), option).rejects.toMatchObject({
      code: Code.InvalidArgument,
      outcome: 'not_done',
      rawMessage: expect.stringContaining(`unknown option "${option}": expected `),
    });
  expect(() => client.watch({ key: 'k' }, { since: 1 } as never)).toThrow('unknown option "since"');
  const other = client.set('k', VALUE, { expiry: { case: 'ttl', value: 5n } } as never);
  await expect(other).rejects.toThrow(
    'expiry has the case "ttl": expected one of ttlMs, expireAtMs, keepTtl',
  );
  if (name === 'a node') expect((await client.get('k')).found).toBe(false);
});

it.each(CLIENTS)('refuses calls without what they need, and says what that is: %s', async (name, open) => {
  const client = await open();
  const map = client.map('m:', { encode: () => VALUE, decode: () => 1 });
  const [none, five] = [undefined as never, 5 as never];
  const calls: readonly [string, () => Promise<unknown>][] = [
    ['key is undefined: expected a string', () => client.get(none)],
    ['key is 5: expected a string', () => client.get(five)],
    ['key is 7: expected a string', () => client.set(7 as never, VALUE)],
    ['value is undefined: expected a Uint8Array', () => client.set('k', none)],
    ['value is "v": expected a Uint8Array', () => client.set('k', 'v' as never)],
    ['key is null: expected a string', () => client.delete(null as never)],
    ['key is undefined: expected a string', () => client.explain(none)],
    ['operations is undefined: expected a list', () => client.atomic(none)],
    ['operations is an empty list: expected a list', () => client.atomic([])],
    ['operation has 0 kinds: expected one of', () => client.atomic([none])],
    ['value is undefined: expected a Uint8Array', () => client.atomic([{ set: { key: 'q' } }])],
    ['value is "v": expected', () => client.atomic([{ set: { key: 'q', value: 'v' as never } }])],
    ['key is 5: expected a string', () => client.atomic([{ get: { key: 5 as never } }])],
    ['key is undefined: expected a string', () => client.atomic([{ delete: {} }])],
    ['requestId is 5: expected a string', () => client.atomic([{ delete: { key: 'k', requestId: five } }])],
    ['minAcks is 5n: expected a whole number from 0 to', () => client.atomic([], { minAcks: 5n as never })],
    ['options are null: expected an object', () => client.atomic([], null as never)],
    ['options are null: expected an object', () => client.get('k', null as never)],
    ['options are null: expected an object', () => client.set('k', VALUE, null as never)],
    ['options are null: expected an object', () => client.delete('k', null as never)],
    ['options are null: expected an object', () => client.increment('k', null as never)],
    ['options are undefined: expected an object', () => client.touch('k', none)],
    ['options are 5: expected an object', () => client.deletePrefix('k', five)],
    ['options are null: expected an object', () => Array.fromAsync(client.scan('k', null as never))],
    ['options are null: expected an object', () => client.awaitDurable(null as never)],
    ['options are null: expected an object', () => client.getUpdates(null as never)],
    ['options are null: expected an object', () => client.explain('k', 1, null as never)],
    ['options are null: expected an object', () => map.get('k', null as never)],
    ['options are null: expected an object', () => map.set('k', 1, null as never)],
    ['options are null: expected an object', () => map.delete('k', null as never)],
    ['signal is "x": expected an AbortSignal', () => client.get('k', { signal: 'x' as never })],
    ['signal is null: expected an AbortSignal', () => client.set('k', VALUE, { signal: null as never })],
    ['signal is "x": expected', () => client.deletePrefix('k', { signal: 'x' as never })],
    ['signal is "x": expected', () => client.explain('k', 1, { signal: 'x' as never })],
    ['signal is "x": expected', () => map.getOrSet('k', () => 1, { ttlMs: 1, signal: 'x' as never })],
    ['minAcks is "x": expected a whole number', () => client.awaitDurable({ minAcks: 'x' as never })],
    ['minAcks is -1: expected a whole number', () => client.delete('k', { minAcks: -1 })],
    ['limit is 1.5: expected a whole number', () => Array.fromAsync(client.scan('k', { limit: 1.5 }))],
    ['position is 5: expected an object', () => client.awaitDurable({ position: five })],
    ['after is "x": expected an object', () => client.getUpdates({ after: 'x' as never })],
    ['durability is "x": expected one of', () => client.atomic([], { durability: 'x' as never })],
    ['changes is "x": expected a whole number', () => client.explain('k', 'x' as never)],
    ['contentType is 5: expected a string', () => client.set('k', VALUE, { contentType: five })],
    ['requestId is 5: expected a string', () => client.set('k', VALUE, { requestId: five })],
    ['linearizable is 5: expected a boolean', () => client.get('k', { linearizable: five })],
    ['expiry has the case undefined: expected one of', () => client.touch('k', { expiry: five })],
    ['prefix is undefined: expected a string', () => client.deletePrefix(none)],
    ['prefix is a RegExp: expected a string', () => Array.fromAsync(client.scan(/k/ as never))],
    ['key is undefined: expected a string', () => map.get(none)],
    ['key is 1: expected a string', () => map.set(1 as never, 1)],
    ['key is 1: expected a string', () => map.delete(1 as never)],
    ['load is undefined: expected a function', () => map.getOrSet('k', none, { ttlMs: 1 })],
    ['ttlMs is undefined: expected a whole number', () => map.getOrSet('k', () => 1, none)],
    ['codec is undefined: expected json()', () => client.getOrSet('k', () => 1, { ttlMs: 1 } as never)],
  ];
  for (const [message, call] of calls)
    await expect(call(), message).rejects.toMatchObject({
      code: Code.InvalidArgument,
      outcome: 'not_done',
      rawMessage: expect.stringContaining(message),
    });
  expect(() => client.map(none, none)).toThrow('prefix is undefined: expected a string');
  expect(() => client.map('m:', none)).toThrow('codec is undefined: expected json(), text(), bytes()');
  expect(() => client.watch(none)).toThrow('undefined is no target: expected { key } or { prefix }');
  expect(() => client.watch({ key: 'k', prefix: 'k' })).toThrow('expected { key } or { prefix }');
  expect(() => client.watch({ prefix: '', signal: new AbortController().signal } as never)).toThrow(
    'the target has signal: expected { key } or { prefix } alone; options, such as signal, are the second argument',
  );
  const watch = (options: unknown) => () => client.watch({ key: 'k' }, options as never);
  expect(watch(null)).toThrow('options are null: expected an object');
  expect(watch({ progressEveryMs: 'x' })).toThrow('progressEveryMs is "x": expected a whole number');
  expect(watch({ signal: 'x' })).toThrow('signal is "x": expected an AbortSignal');
  expect(watch({ ops: 5 })).toThrow('ops is 5: expected a list');
  expect(watch({ onBreak: 5 })).toThrow('onBreak is 5: expected a function');
  expect(() => client.watch({ key: 'k' }, { patienceMs: Number.NaN })).toThrow('patienceMs is NaN');
  if (name === 'a node') expect(await Array.fromAsync(client.scan(''))).toEqual([]);
});

it.each<[string, DeadlineOptions & { expiry?: unknown }, string]>([
  ['0', { ttlMs: 0 }, 'ttlMs is 0: expected a whole number of milliseconds from 1'],
  ['NaN', { ttlMs: Number.NaN }, 'ttlMs is NaN'],
  ['a fraction', { ttlMs: 1.5 }, 'ttlMs is 1.5'],
  ['a bigint', { ttlMs: 5n as never }, 'ttlMs is 5'],
  ['a text', { ttlMs: '5' as never }, 'ttlMs is "5": expected a whole number'],
  ['null', { ttlMs: null as never }, 'ttlMs is null'],
  [
    'a time before 1970',
    { expireAtMs: -1 },
    'expireAtMs is -1: expected a whole number of milliseconds from 0',
  ],
  ['a date that is none', { expireAtMs: new Date('x') }, 'expireAtMs is NaN'],
  ['both', { ttlMs: 1, expireAtMs: 1 }, 'ttlMs and expireAtMs are given: expected one of them'],
  ['two forms', { ttlMs: 1, expiry: { case: 'ttlMs', value: 1n } }, 'ttlMs and expiry are given'],
])('refuses as a deadline %s', (_, options, message) => {
  expect(() => withExpiry(options)).toThrow(message);
});
