import { Code, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { start, VALUE_BYTES_MAX } from '#test/server/running.ts';

const text = (value: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(value));

async function startClients() {
  const running = await start({ batchBytesMax: 1 << 20 });
  const transport = createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '1.1' });
  return { running, admin: createClient(Admin, transport), store: createClient(KVStore, transport) };
}

describe('Restore', () => {
  it('makes each change where the key has the version given, and says what stood in the way', async () => {
    const { running, admin, store } = await startClients();
    const a = await store.set({ key: 'a', value: text('now') });
    const b = await store.set({ key: 'b', value: text('now') });
    if (a.position === undefined || b.position === undefined) throw new Error('writes have positions');
    const other = { epoch: a.position.epoch, lsn: 99n };
    const { results } = await admin.restore({
      changes: [
        {
          key: 'a',
          ifVersion: a.position,
          change: { case: 'set', value: { value: text('then'), expireAtMs: 9n } },
        },
        { key: 'b', ifVersion: b.position, change: { case: 'delete', value: true } },
        { key: 'new', change: { case: 'set', value: { value: text('then') } } },
        { key: 'a', ifVersion: other, change: { case: 'delete', value: true } },
        { key: 'none', ifVersion: other, change: { case: 'delete', value: true } },
      ],
    });
    expect(results.map(({ result }) => result.case)).toEqual([
      'applied',
      'applied',
      'applied',
      'conflict',
      'conflict',
    ]);
    expect(results[3]?.result.value).toMatchObject({ currentVersion: { epoch: a.position.epoch } });
    expect(results[4]?.result.value).not.toHaveProperty('currentVersion.lsn');
    expect(await store.get({ key: 'a' })).toMatchObject({ value: text('then') });
    expect(running.node.calls.at(-2)?.argument).toMatchObject([
      { command: { expiry: { kind: 'logged', expireAtMs: 9 } } },
      {},
      {},
      {},
      {},
    ]);
    expect((await store.get({ key: 'b' })).found).toBe(false);
    expect(running.node.entries.has('new')).toBe(true);
  });

  it('checks the whole request before anything is written', async () => {
    const { running, admin } = await startClients();
    const good = { key: 'good', change: { case: 'set', value: { value: text('x') } } } as const;
    const huge = text('x'.repeat(VALUE_BYTES_MAX + 1));
    const bad = [
      [],
      [good, { key: 'k' }],
      [good, { key: 'k', change: { case: 'delete', value: true } } as const],
      [good, { key: '', change: good.change }],
      [good, { key: 'k', change: { case: 'set', value: { value: huge } } } as const],
      Array.from({ length: 1_001 }, () => good),
    ];
    for (const changes of bad) {
      await expect(admin.restore({ changes })).rejects.toMatchObject({ code: Code.InvalidArgument });
    }
    expect(running.node.entries.has('good')).toBe(false);
  });
});
