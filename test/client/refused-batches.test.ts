/** What a node refuses a whole Batch for, and answers that have no room in one: each call is told its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code } from '@connectrpc/connect';
import { afterEach, describe, expect, it } from 'vitest';
import { RunningMaster } from '#test/cli/running-node.ts';
import { connect } from '../../client/connect.ts';
import type { WalnutClient, WalnutClientOptions } from '../../client/walnut-client.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** Opens clients of one master that takes and answers 64 KiB in a Batch. */
async function startMaster(): Promise<(options?: WalnutClientOptions) => WalnutClient> {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-client-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory, {}, { batchBytesMax: 65_536 });
  cleanups.push(() => master.stop());
  return (options) => {
    const client = connect({ address: master.address, ...options });
    cleanups.push(() => client.close());
    return client;
  };
}

const text = (value: Uint8Array | undefined): string => Buffer.from(value ?? []).toString();

describe('writes whose answers have no room in one Batch', () => {
  const KEYS = ['a', 'b', 'c', 'd'];
  const fill = async (client: WalnutClient): Promise<void> => {
    for (const key of KEYS) await client.set(key, Buffer.alloc(30_000));
  };
  const change = (client: WalnutClient) =>
    KEYS.map((key) => client.set(key, Buffer.from('new'), { returnPrevious: true }));

  it('are asked for once more under their names', async () => {
    const client = (await startMaster())();
    await fill(client);
    const answers = await Promise.all(change(client));
    expect(answers.map(({ previous }) => previous?.value.length)).toEqual(KEYS.map(() => 30_000));
    expect(answers.map(({ applied }) => applied)).toEqual(KEYS.map(() => true));
    expect(answers.map(({ repeated }) => repeated)).toEqual([false, false, true, true]);
  });

  it('are not told as not done where they have no names', async () => {
    const client = (await startMaster())({ namedWrites: false });
    await fill(client);
    const told = await Promise.allSettled(change(client));
    const unknown = { reason: { code: Code.ResourceExhausted, outcome: 'unknown' } };
    expect(told.slice(2)).toMatchObject([unknown, unknown]);
    expect(text((await client.get('d')).value)).toBe('new');
  });
});

describe('a Batch that a node refuses for one of its calls', () => {
  it.each([{}, { minAcks: 1, timeoutMs: 1 }])('fails only that one, with %j', async (receipt) => {
    const client = (await startMaster())();
    const told = await Promise.allSettled([
      client.set('a', Buffer.from('one'), receipt),
      client.set('b'.repeat(9_000), Buffer.from('two'), receipt),
      client.set('c', Buffer.from('three'), { ...receipt, contentType: 'x'.repeat(9_000) }),
      client.set('d', Buffer.alloc(70_000), receipt),
      client.set('e', Buffer.from('five'), receipt),
      client.increment('f', receipt),
    ]);
    const isDone = told.map(({ status }) => status === 'fulfilled');
    expect(isDone).toEqual([true, false, false, false, true, true]);
    const notDone = { reason: { outcome: 'not_done' } };
    expect(told.slice(1, 4)).toMatchObject([notDone, notDone, notDone]);
    expect(text((await client.get('e')).value)).toBe('five');
  });
});
