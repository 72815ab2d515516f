import { gzipSync } from 'node:zlib';
import type { DescService } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { Replication } from '#gen/walnut/v1/replication_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { http1, rpc, start } from '#test/server/running.ts';

const SERVICES: readonly DescService[] = [KVStore, Replication, Admin, Health];
/** All but Watch, which does not end where it is asked well. */
const PATHS = SERVICES.flatMap((service) =>
  service.methods.map(({ name }) => `/${service.typeName}/${name}`),
).filter((path) => !path.endsWith('/Watch'));
const TYPES = ['application/proto', 'application/json', 'application/grpc-web', 'application/connect+proto'];

/** Bytes that are sometimes nearly a message. */
const bodies = fc
  .tuple(
    fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.array(fc.constantFrom(0x0a, 0x12, 0x1a, 0x08, 0, 1, 2, 0x7b, 0xff), { maxLength: 30 }),
      fc.json().map((text) => [...Buffer.from(text)]),
    ),
    fc.constantFrom('bare', 'gzip', 'cut gzip', 'envelope', 'squeezed envelope'),
  )
  .map(([bytes, wrapping]) => {
    const body = Buffer.from(bytes);
    const head = Buffer.from([wrapping === 'envelope' ? 0 : 1, 0, 0, 0, body.length]);
    if (wrapping === 'gzip') return gzipSync(body);
    if (wrapping === 'cut gzip') return gzipSync(body).subarray(0, -6);
    return wrapping === 'bare' ? body : Buffer.concat([head, body]);
  });

describe('a request that is nonsense', () => {
  it('is never answered as a failure of the node, nor logged as one', async () => {
    const running = await start();
    const request = fc.record({
      path: fc.constantFrom(...PATHS),
      type: fc.constantFrom(...TYPES),
      encoding: fc.constantFrom('identity', 'gzip'),
      body: bodies,
    });
    await fc.assert(
      fc.asyncProperty(request, async ({ path, type, encoding, body }) => {
        const headers = { 'content-type': type, 'content-encoding': encoding };
        const answer = await http1(running, 'POST', path, { headers, body });
        // The one that gRPC itself wants to be INTERNAL.
        if (/compressed(%20| )envelope/.test(answer.text)) return;
        expect(answer.status).not.toBe(500);
        expect(answer.text).not.toContain('"code":"internal"');
        expect(answer.text).not.toMatch(/grpc-status: ?(13|2)\r/);
      }),
      { numRuns: 500 },
    );
    expect(running.logged).toEqual([]);
  }, 30_000);
});

describe('what the log says', () => {
  it('of unexpected failures is bounded, and each answer names a line that is there', async () => {
    const running = await start();
    running.node.failure = new TypeError('a bug');
    const ids = new Set<string>();
    for (let i = 0; i < 40; i++) {
      const { json } = await rpc(running, 'KVStore/Get', { key: 'k' });
      ids.add(String(json['message']).replace(/^.* /, ''));
    }
    const lines = running.logged.filter(({ level }) => level === 'error');
    expect(lines).toHaveLength(5);
    expect([...ids]).toEqual(lines.map(({ fields }) => fields['correlationId']));
  });

  it('of what another node sends is a warning without a stack, and bounded', async () => {
    const running = await start();
    const cause = new Error('frame 0: header CRC differs');
    running.node.failure = new WalnutError('invalid_argument', 'frames: frame 0', { cause });
    for (let i = 0; i < 40; i++) {
      expect((await rpc(running, 'KVStore/Get', { key: 'k' })).status).toBe(400);
    }
    expect(running.logged).toHaveLength(5);
    expect(running.logged[0]).toEqual({
      level: 'warn',
      fields: { why: 'frames: frame 0' },
      message: 'another node sent invalid data',
    });
    // A caller's own mistakes are for the caller.
    running.node.failure = new WalnutError('invalid_argument', 'key is empty');
    await rpc(running, 'KVStore/Get', { key: 'k' });
    expect(running.logged).toHaveLength(5);
  });
});
