/** Explain over every protocol, and for people with curl. */
import { Code, createClient } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { http1, start } from '#test/server/running.ts';

it.each(['json', 'binary', 'grpc', 'grpc-web'])('explains by %s', async (how) => {
  const { node, baseUrl } = await start();
  const useBinaryFormat = how === 'binary';
  const connect = createConnectTransport({ baseUrl, httpVersion: '1.1', useBinaryFormat });
  const transport =
    how === 'grpc'
      ? createGrpcTransport({ baseUrl })
      : how === 'grpc-web'
        ? createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })
        : connect;
  const client = createClient(KVStore, transport);
  expect(await client.explain({ key: 'k', changes: 7 })).toMatchObject({
    summary: expect.stringContaining('present: 2 bytes'),
    ...{ found: true, version: { lsn: 3n }, expireAtMs: 9n, valueBytes: 2n, memoryBytes: 83n, sets: 4n },
    ...{ deletes: 5n, waitingChanges: 6n, searchedFrom: { lsn: 2n }, complete: true, asOf: { lsn: 7n } },
    ...{ stalenessMs: 1n, lagRecords: 8n, modifiedMs: 5_000n, accessedMs: 6_000n },
  });
  expect(node.calls.at(-1)?.argument).toEqual({ key: 'k', changes: 7 });
  await expect(client.explain({ key: '' })).rejects.toMatchObject({ code: Code.InvalidArgument });
  await expect(client.explain({ key: 'k', changes: 101 })).rejects.toMatchObject({
    code: Code.InvalidArgument,
  });
});

it('explains a key to people with curl', async () => {
  const running = await start();
  const { status, headers, text } = await http1(running, 'GET', '/v1/keys/a%2Fb?explain');
  expect([status, headers['content-type']]).toEqual([200, 'application/json']);
  expect(JSON.parse(text)).toMatchObject({ found: true, sets: '4', waitingChanges: '6' });
  expect(running.node.calls.at(-1)?.argument).toEqual({ key: 'a/b', changes: 0 });
  expect((await http1(running, 'GET', '/v1/keys/k?explain=maybe')).status).toBe(400);
  expect((await http1(running, 'GET', '/v1/keys/k?explain&wait=1s')).status).toBe(400);
  expect((await http1(running, 'GET', '/v1/keys/k?explain=false')).status).not.toBe(200);
});
