import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import type { Waiter } from '#rpc/caller-queue.ts';
import { createGzipCompression } from '#rpc/gzip-compression.ts';
import { waiterOf } from '#test/doubles/waiter-of.ts';

const LARGE_MAX = 32 << 20;
const SMALL = randomBytes(60_000);
const LARGE = randomBytes(70_000);

/** A caller of whom nothing may be asked. */
const NOBODY = new Proxy({} as Waiter, {
  get: () => {
    throw new Error('a small body must not wait');
  },
});

describe('a gzipped body', () => {
  it('that is small is expanded at once', () => {
    const { expand } = createGzipCompression();
    expect(Buffer.compare(expand(gzipSync(SMALL), LARGE_MAX, NOBODY) as Buffer, SMALL)).toBe(0);
    expect(expand(new Uint8Array(0), LARGE_MAX, NOBODY)).toEqual(new Uint8Array(0));
  });

  it.each([
    ['is large', gzipSync(LARGE), LARGE],
    ['is large, although it is short gzipped', gzipSync(Buffer.alloc(1 << 20)), Buffer.alloc(1 << 20)],
    [
      'is longer than its end says',
      Buffer.concat([gzipSync(LARGE), gzipSync('end')]),
      Buffer.concat([LARGE, Buffer.from('end')]),
    ],
    [
      'is longer than its end says, and short gzipped',
      Buffer.concat([gzipSync(Buffer.alloc(1 << 20)), gzipSync('end')]),
      Buffer.concat([Buffer.alloc(1 << 20), Buffer.from('end')]),
    ],
  ])('that %s is expanded in its turn', async (_what, body, expected) => {
    const expanding = createGzipCompression().expand(body, LARGE_MAX, waiterOf('ann'));
    expect(expanding).toBeInstanceOf(Promise);
    expect(Buffer.compare(await expanding, expected)).toBe(0);
  });

  it.each([
    ['a small limit', gzipSync(Buffer.alloc(1 << 20)), 16_384],
    ['a large limit', gzipSync(Buffer.alloc(1 << 20)), 100_000],
    ['a large limit, and says that it is short', lying(gzipSync(Buffer.alloc(1 << 20)), 5), 100_000],
  ])('beyond %s is refused for its length', async (_what, body, bytesMax) => {
    const { expand } = createGzipCompression();
    const expanding = (async () => expand(body, bytesMax, waiterOf('ann')))();
    await expect(expanding).rejects.toMatchObject({ code: Code.ResourceExhausted });
  });

  it.each([
    ['small', gzipSync(SMALL).subarray(0, 9_000)],
    ['large', gzipSync(LARGE).subarray(0, 69_000)],
    ['none at all', Buffer.from('plain')],
  ])('that is %s and damaged is refused for that', async (_what, body) => {
    const { expand } = createGzipCompression();
    const expanding = (async () => expand(body, LARGE_MAX, waiterOf('ann')))();
    await expect(expanding).rejects.toMatchObject({ code: Code.InvalidArgument });
  });

  it('does not wait for those of another caller', async () => {
    const { expand } = createGzipCompression();
    const large = gzipSync(Buffer.alloc(4 << 20));
    const ended: string[] = [];
    const expandFor = async (name: string): Promise<void> => {
      await expand(large, LARGE_MAX, waiterOf(name));
      ended.push(name);
    };
    await Promise.all([...Array.from({ length: 20 }, () => expandFor('ann')), expandFor('bob')]);
    expect(ended.indexOf('bob')).toBeLessThan(10);
  });

  it('is given up when its caller goes away', async () => {
    const { expand } = createGzipCompression();
    const large = gzipSync(Buffer.alloc(16 << 20));
    const caller = new AbortController();
    const expanding = Array.from({ length: 10 }, () =>
      expand(large, LARGE_MAX, waiterOf('ann', caller.signal)),
    );
    caller.abort(new Error('gone'));
    for (const one of expanding) await expect(one).rejects.toThrow('gone');
    expect((await expand(large, LARGE_MAX, waiterOf('ann'))).length).toBe(16 << 20);
  });
});

/** The gzip with another length at its end. */
function lying(body: Buffer, length: number): Buffer {
  body.writeUInt32LE(length, body.length - 4);
  return body;
}
