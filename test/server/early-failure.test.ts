/** Calls that fail before their handler, with Connect's handlers, and answers that are compressed or not. */
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { Health } from '#gen/grpc/health/v1/health_pb.ts';
import { STRICT_JSON } from '#rpc/rpc-adapter.ts';
import { openRpcEdge } from '#test/server/rpc-edge.ts';
import { http1, start } from '#test/server/running.ts';

const MAX = 200;

it.each([
  ['identity', 'identity'],
  ['identity', 'gzip'],
  ['gzip', 'identity'],
  ['gzip', 'gzip'],
])(
  'a message that is too large, sent as %s, is refused in words where %s is accepted',
  async (sent, taken) => {
    const edge = await openRpcEdge({
      isDirect: false,
      compressMinBytes: 1,
      jsonOptions: STRICT_JSON,
      observe: () => {},
      routes: (routes) =>
        routes.unary(Health.method.check, {
          impl: () => ({}),
          limits: { readMaxBytes: MAX, fieldsMax: 1_000 },
        }),
    });
    onTestFinished(edge.close);
    const message = Buffer.alloc(10_000);
    const answer = await fetch(`http://127.0.0.1:${edge.port}/grpc.health.v1.Health/Check`, {
      method: 'POST',
      headers: { 'content-type': 'application/proto', 'content-encoding': sent, 'accept-encoding': taken },
      body: sent === 'gzip' ? gzipSync(message) : message,
    });
    expect(answer.status).toBe(429);
    const error = (await answer.json()) as { readonly code: string; readonly message: string };
    expect(error.code).toBe('resource_exhausted');
    expect(error.message).toContain(String(MAX));
    expect(error).not.toHaveProperty('details');
  },
);

it('a message of a stream that cannot be read is refused, and nothing was done', async () => {
  const running = await start();
  const envelope = Buffer.from([0, 0, 0, 0, 2, 0xff, 0xff]);
  const answer = await http1(running, 'POST', '/walnut.v1.KVStore/Watch', {
    headers: { 'content-type': 'application/connect+proto', 'connect-protocol-version': '1' },
    body: envelope,
  });
  expect(answer.text).toContain('"code":"invalid_argument"');
  expect(answer.text).toContain('"type":"walnut.v1.Refusal"');
});
