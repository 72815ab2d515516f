import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { KVStore, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Clock } from '#platform/clock.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';
import { http1, onCleanup, start, until } from '#test/server/running.ts';

/** More than half of what the edge of the tests may hold. */
const VALUE_BYTES = 40_000_000;

it('expanded bodies count against the budget until they are answered', async () => {
  const waiting: (() => void)[] = [];
  const edge = await openRpcEdge({
    isDirect: true,
    compressMinBytes: 0xffff_ffff,
    jsonOptions: STRICT_JSON,
    observe: () => {},
    routes: (routes) => {
      const limits = { readMaxBytes: VALUE_BYTES + 100, fieldsMax: 10 };
      const hold = (): Promise<object> => new Promise((resolve) => waiting.push(() => resolve({})));
      routes.unary(KVStore.method.set, { limits, impl: hold });
    },
  });
  onCleanup(edge.close);
  const body = gzipSync(
    toBinary(SetRequestSchema, create(SetRequestSchema, { key: 'k', value: new Uint8Array(VALUE_BYTES) })),
  );
  const set = (): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { 'content-type': 'application/proto', 'content-encoding': 'gzip' };
      const options = {
        port: edge.port,
        method: 'POST',
        path: '/walnut.v1.KVStore/Set',
        headers,
        agent: false,
      };
      const sent = request({ host: '127.0.0.1', ...options }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const first = set();
  await until(() => waiting.length === 1);
  expect(await set()).toBe(429);
  waiting.pop()?.();
  expect(await first).toBe(200);
  const third = set();
  await until(() => waiting.length === 1);
  waiting.pop()?.();
  expect(await third).toBe(200);
});

it('a gzipped write whose deadline passes while it is expanded is not carried out', async () => {
  const clock = createNodeClock();
  const timeoutMs = 54_321;
  let deadlines = 0;
  const after: Clock['after'] = (ms, callback) => {
    if (ms > timeoutMs || ms < timeoutMs - 5_000) return clock.after(ms, callback);
    deadlines++;
    queueMicrotask(callback);
    return { cancel: () => {} };
  };
  const running = await start({ clock: { ...clock, after }, valueBytesMax: 132_000 });
  const body = gzipSync(JSON.stringify({ key: 'k', value: randomBytes(90_000).toString('base64') }));
  const type = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const set = (more: Record<string, string>): ReturnType<typeof http1> =>
    http1(running, 'POST', '/walnut.v1.KVStore/Set', { headers: { ...type, ...more }, body });
  const late = await set({ 'connect-timeout-ms': String(timeoutMs) });
  expect([late.status, JSON.parse(late.text).code]).toEqual([504, 'deadline_exceeded']);
  expect(deadlines).toBe(1);
  expect(running.node.entries.size).toBe(0);
  expect((await set({})).status).toBe(200);
});
