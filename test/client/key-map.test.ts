/** Typed maps, codecs and sessions as text. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SetResponseSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { Op, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { bytes, type Codec, json, text } from '../../client/codecs.ts';
import { connect } from '../../client/connect.ts';
import { KeyMap, type Replaced } from '../../client/key-map.ts';
import { KeyvWalnut } from '../../client/keyv.ts';
import { Session } from '../../client/session.ts';

interface User {
  readonly name: string;
}

async function startMaster(): Promise<RunningMaster> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-map-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  return master;
}

describe('a map of typed values', () => {
  it('does what a Map does, and no more than its prefix', async () => {
    const { address } = await startMaster();
    const client = connect(address);
    onTestFinished(() => client.close());
    const users = client.map('user:', json<User>());
    expect([await users.get('ann'), await users.has('ann')]).toEqual([undefined, false]);
    expect((await users.set('ann', { name: 'Ann' })).applied).toBe(true);
    expect(await users.replace('ann', { name: 'Anna' })).toEqual({ name: 'Ann' });
    expect(await users.replace('bob', { name: 'Bob' }, { ttlMs: 60_000 })).toBeUndefined();
    await client.set('other', Buffer.from('1'));
    const all = await Array.fromAsync(users.entries());
    expect(all.sort()).toEqual([
      ['ann', { name: 'Anna' }],
      ['bob', { name: 'Bob' }],
    ]);
    expect([await users.count(), await client.count(''), await client.count('x')]).toEqual([2, 3, 0]);
    await expect(client.count('', { limit: 1 } as never)).rejects.toThrow('unknown option "limit"');
    expect([(await users.delete('ann')).deleted, await users.clear()]).toEqual([true, 1]);
    expect((await client.get('other')).found).toBe(true);
  });

  it('tells changes', async () => {
    const { address } = await startMaster();
    const client = connect([address]);
    onTestFinished(() => client.close());
    const users = client.map('user:', json<User>());
    await users.set('ann', { name: 'Ann' });
    const told: unknown[] = [];
    for await (const change of users.changes({ initial: true })) {
      told.push(change);
      if (told.length === 1) await users.delete('ann');
      if (told.length === 2) break;
    }
    expect(told).toEqual([
      { key: 'ann', value: { name: 'Ann' } },
      { key: 'ann', value: undefined },
    ]);
  });

  it('says of what cannot be encoded that nothing was done, and of what cannot be decoded what was', async () => {
    const { address } = await startMaster();
    const client = connect(address);
    onTestFinished(() => client.close());
    const users = client.map('user:', json<unknown>());
    await expect(users.set('a', () => 1)).rejects.toMatchObject({
      code: Code.InvalidArgument,
      outcome: 'not_done',
    });
    await client.set('user:a', Buffer.from('no json'));
    await expect(users.get('a')).rejects.toMatchObject({
      code: Code.FailedPrecondition,
      outcome: 'not_done',
    });
    await expect(users.replace('a', 1)).rejects.toMatchObject({
      code: Code.FailedPrecondition,
      outcome: 'done',
    });
    expect(await users.get('a')).toBe(1);
    await expect(users.set('a', 1, { ttlMs: 0 })).rejects.toThrow('ttlMs is 0');
  });
});

it('a map says of a replace with a condition whether that was met', async () => {
  const { address } = await startMaster();
  const client = connect(address);
  onTestFinished(() => client.close());
  const users = client.map('user:', json<number>());
  const ifAbsent = { condition: { case: 'ifAbsent', value: true } } as const;
  const ifPresent = { condition: { case: 'ifPresent', value: true } } as const;
  expect(await users.replace('a', 1, ifPresent)).toEqual({ applied: false, previous: undefined });
  const made: Replaced<number> = await users.replace('a', 1, ifAbsent);
  expect(made).toEqual({ applied: true, previous: undefined });
  expect(await users.replace('a', 2, ifAbsent)).toEqual({ applied: false, previous: undefined });
  expect(await users.replace('a', 3, ifPresent)).toEqual({ applied: true, previous: 1 });
  const before: number | undefined = await users.replace('a', 4, { ttlMs: 60_000 });
  expect(before).toBe(3);
  // @ts-expect-error: with a condition it is not the value alone
  const value: number | undefined = await users.replace('a', 5, ifPresent);
  expect(value).toEqual({ applied: true, previous: 4 });
});

it('a map needs no value before to say that a condition was not met', async () => {
  const set = async () => create(SetResponseSchema, { applied: false, repeated: true, leftOut: true });
  const client = { set } as unknown as ConstructorParameters<typeof KeyMap>[0];
  const map = new KeyMap(client, 'user:', json<number>());
  const condition = { case: 'ifAbsent', value: true } as const;
  expect(await map.replace('a', 1, { condition })).toEqual({ applied: false, previous: undefined });
});

it.each([
  ['to a user who may not read the key', { leftOut: true }, Code.PermissionDenied],
  ['of a write that was repeated', { repeated: true }, Code.Unavailable],
])('a map does not take the value before for missing where it is not shown: %s', async (_, answer, code) => {
  const set = async () => create(SetResponseSchema, { applied: true, ...answer });
  const map = new KeyMap(
    { set } as unknown as ConstructorParameters<typeof KeyMap>[0],
    'user:',
    json<number>(),
  );
  await expect(map.replace('a', 1)).rejects.toMatchObject({ code, outcome: 'done' });
});

const ABSENT = { found: true, contentType: 'application/x-walnut-absent', value: new Uint8Array() };

/** A client whose every answer has one entry of a person, and one that says that there is nobody. */
function withAbsent(): ConstructorParameters<typeof KeyMap>[0] {
  const ann = { key: 'user:ann', value: Buffer.from('"Ann"'), contentType: '' };
  const bob = { key: 'user:bob', ...ABSENT };
  return {
    get: async () => ABSENT,
    set: async () => ({ applied: true, previous: bob }),
    scan: async function* () {
      yield* [ann, bob];
    },
    watch: async function* () {
      yield { events: [ann, bob].map((entry) => ({ op: Op.SET, ...entry })) };
    },
  } as unknown as ConstructorParameters<typeof KeyMap>[0];
}

it('a map takes what getOrSet has found to be missing for missing', async () => {
  const users = new KeyMap(withAbsent(), 'user:', json<string>());
  expect([await users.get('bob'), await users.has('bob')]).toEqual([undefined, false]);
  expect(await users.replace('bob', 'Bob')).toBeUndefined();
  expect(await Array.fromAsync(users.entries())).toEqual([['ann', 'Ann']]);
  expect(await Array.fromAsync(users.changes())).toEqual([
    { key: 'ann', value: 'Ann' },
    { key: 'bob', value: undefined },
  ]);
  const store = new KeyvWalnut(withAbsent());
  expect([await store.get('bob'), await store.has('bob')]).toEqual([undefined, false]);
});

describe('a codec', () => {
  it.each<[string, Codec<never>, unknown[]]>([
    ['json', json(), [null, 0, '', 'ä\u{1F600}', [1, { a: false }]]],
    ['text', text() as Codec<never>, ['', 'ä\u{1F600}', '\ufeffx', '\0']],
    ['bytes', bytes() as Codec<never>, [new Uint8Array([0, 255])]],
  ])('of %s gives back what it was given', (_, codec, values) => {
    for (const value of values) expect(codec.decode(codec.encode(value as never))).toEqual(value);
  });

  it('of bytes gives each reader an array of its own', () => {
    const stored = Buffer.from([1]);
    const [one, other] = [bytes().decode(stored), bytes().decode(stored)];
    one[0] = 2;
    expect([stored[0], other[0]]).toEqual([1, 1]);
  });

  it('refuses what would come back as something else', () => {
    expect(() => text().encode('\ud800')).toThrow('lone surrogates');
    expect(() => json().encode(undefined)).toThrow('no JSON');
    expect(() => text().decode(new Uint8Array([0xff]))).toThrow();
  });
});

describe('a session as text', () => {
  const at = (lsn: bigint) => create(PositionSchema, { epoch: (3n << 32n) + 7n, lsn });

  it('goes on in another process where it was', () => {
    const session = new Session(at(12n));
    expect(session.toString()).toBe('s1.12884901895-12');
    expect(Session.from(String(session)).token).toEqual(at(12n));
    expect(Session.from(String(new Session())).token).toBeUndefined();
    expect(JSON.stringify({ session })).toBe('{"session":"s1.12884901895-12"}');
    session.join(new Session(at(13n)));
    session.join(new Session(at(11n)));
    expect(session.token).toEqual(at(13n));
  });

  it.each([
    '',
    's2',
    's1.',
    's1.1',
    's1.1-0',
    's1.-1',
    's1.1-99999999999999999',
    's1.9999999999999999-1',
    's1.1-2 ',
    '__proto__',
  ])('is not %j', (given) => {
    expect(() => Session.from(given)).toThrow('expected what toString gave');
  });
});
