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

it('refuses options that do not exist, by name, and writes nothing', async () => {
  const client = await start();
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
  for (const [name, call] of calls)
    await expect(call(), name).rejects.toMatchObject({
      code: Code.InvalidArgument,
      outcome: 'not_done',
      rawMessage: expect.stringContaining(`unknown option "${name}": expected `),
    });
  expect(() => client.watch({ key: 'k' }, { since: 1 } as never)).toThrow('unknown option "since"');
  const other = client.set('k', VALUE, { expiry: { case: 'ttl', value: 5n } } as never);
  await expect(other).rejects.toThrow(
    'expiry has the case "ttl": expected one of ttlMs, expireAtMs, keepTtl',
  );
  expect((await client.get('k')).found).toBe(false);
});

it.each<[string, DeadlineOptions & { expiry?: unknown }, string]>([
  ['0', { ttlMs: 0 }, 'ttlMs is 0: expected a whole number of milliseconds from 1'],
  ['NaN', { ttlMs: Number.NaN }, 'ttlMs is NaN'],
  ['a fraction', { ttlMs: 1.5 }, 'ttlMs is 1.5'],
  ['a bigint', { ttlMs: 5n as never }, 'ttlMs is 5'],
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
