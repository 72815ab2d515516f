/** The stores for Keyv, called as Keyv calls them: 5 for 5, and what is different in 6. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { connect } from '../../client/connect.ts';
import { KeyvWalnut5 } from '../../client/keyv.ts';

it('keeps what Keyv gives it, in its namespace, for as long as it says', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-keyv-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory);
  onTestFinished(() => master.stop());
  const client = connect(master.address);
  onTestFinished(() => client.close());
  await client.set('other', Buffer.from('1'));
  const store = new KeyvWalnut5(client);
  store.namespace = 'a';
  expect(await store.get('a:k')).toBeUndefined();
  expect(await store.set('a:k', '{"value":1}')).toBe(true);
  expect(
    await store.setMany([
      { key: 'a:l', value: 'x', ttl: 60_000.5 },
      { key: 'b:k', value: 'y' },
    ]),
  ).toEqual([true, true]);
  expect(await store.getMany(['a:l', 'a:none', 'a:k'])).toEqual(['x', undefined, '{"value":1}']);
  expect((await client.get('keyv:a:l')).expireAtMs).toBeGreaterThan(0n);
  expect(await store.hasMany(['a:k', 'a:none'])).toEqual([true, false]);
  expect((await Array.fromAsync(store.iterator())).sort()).toEqual([
    ['a:k', '{"value":1}'],
    ['a:l', 'x'],
  ]);
  expect([await store.delete('a:k'), await store.delete('a:k'), await store.has('a:k')]).toEqual([
    true,
    false,
    false,
  ]);
  await store.clear();
  expect([await store.has('a:l'), await store.has('b:k')]).toEqual([false, true]);
  expect([await store.deleteMany(['b:k', 'b:none']), await store.deleteMany([])]).toEqual([false, true]);
  store.namespace = undefined;
  await store.set('k', 'z');
  await store.clear();
  expect([await store.has('k'), (await client.get('other')).found]).toEqual([false, true]);
  await expect(store.set('k', { value: 1 })).rejects.toThrow("expected text, as Keyv's serializer gives it");
  expect(() => new KeyvWalnut5(client, { prefix: '' })).toThrow('prefix is empty');
  expect(() => new KeyvWalnut5(client, { namespace: 'a' } as never)).toThrow('unknown option "namespace"');
  await store.disconnect();
});
