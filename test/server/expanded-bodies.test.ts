import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import { create, toBinary } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import { KVStore, SetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';
import { onCleanup, until } from '#test/server/running.ts';

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
}, 20_000);
