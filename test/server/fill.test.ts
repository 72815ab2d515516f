/** Fill leases over the wire: what is refused by name, and what a Batch may ask for. */
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { http1, rpc, start } from '#test/server/running.ts';

const GET = { key: 'k', fillLeaseMs: 5_000 };
const BAD: readonly [string, object, string][] = [
  ['Get', { key: 'k', refreshBeforeMs: '5' }, 'refresh_before_ms is given without fill_lease_ms'],
  ['Get', { key: 'k', fillLeaseMs: 60_001 }, 'fill_lease_ms is 60001: expected at most 60000'],
  ['Get', { ...GET, refreshBeforeMs: '9007199254740992' }, 'refresh_before_ms is 9007199254740992'],
  ['Set', { key: 'k', ifFillLease: '' }, 'if_fill_lease is empty: expected the token of a fill_lease'],
  ['Set', { key: 'k', ifFillLease: 't'.repeat(129) }, 'if_fill_lease has 129 characters'],
  ['Set', { key: 'k', ifFillLease: 't', ifAbsent: true }, 'oneof'],
  ['Batch', { atomic: true, operations: [{ get: GET }] }, 'operations[0]: fill_lease_ms is set'],
];

describe('a fill lease', () => {
  it.each(BAD)('in %s with %j is INVALID_ARGUMENT: %s', async (method, body, why) => {
    const running = await start();
    const { status, json } = await rpc(running, `KVStore/${method}`, body);
    expect([status, json]).toMatchObject([
      400,
      { code: 'invalid_argument', message: expect.stringContaining(why) },
    ]);
    expect(running.node.calls).toEqual([]);
  });

  it.each(['protobuf', 'JSON'])('is given to Gets of a Batch that do not wait, in %s', async (form) => {
    const running = await start();
    const useBinaryFormat = form === 'protobuf';
    const transport = createConnectTransport({
      baseUrl: running.baseUrl,
      httpVersion: '1.1',
      useBinaryFormat,
    });
    const { results } = await createClient(KVStore, transport).batch({
      operations: [GET, { ...GET, waitMs: 1 }].map((value) => ({ operation: { case: 'get', value } })),
    });
    expect(results.map(({ result }) => result)).toMatchObject([
      { case: 'get', value: { found: false, fillLease: { token: 'lease of k', expiresInMs: 5_000 } } },
      { case: 'error', value: { code: 'invalid_argument', message: expect.stringContaining('wait_ms') } },
    ]);
  });

  it.each(['protobuf', 'JSON'])(
    'that a node cannot give in a Batch comes with who leads, in %s',
    async (form) => {
      const running = await start();
      const error = new WalnutError('not_master', 'a replica has no leases', { leaderHint: 'm:1' });
      const { keyValue } = running.node.ports;
      const { batch } = keyValue;
      Object.assign(keyValue, { batch: async () => [{ kind: 'error', error }] });
      const transport = createConnectTransport({
        baseUrl: running.baseUrl,
        httpVersion: '1.1',
        useBinaryFormat: form === 'protobuf',
      });
      const heads: (string | null)[] = [];
      const onHeader = (headers: Headers): unknown => heads.push(headers.get('x-leader-hint'));
      const client = createClient(KVStore, transport);
      const operations = [{ operation: { case: 'get', value: GET } } as const];
      await client.batch({ operations }, { onHeader });
      Object.assign(keyValue, { batch });
      await client.batch({ operations }, { onHeader });
      expect(heads).toEqual(['m:1', null]);
    },
  );

  it('is refused where it comes by a GET, which may be repeated', async () => {
    const running = await start();
    const message = encodeURIComponent(JSON.stringify(GET));
    const path = `/walnut.v1.KVStore/Get?connect=v1&encoding=json&message=${message}`;
    const connect = await http1(running, 'GET', path);
    expect([connect.status, connect.text]).toEqual([400, expect.stringContaining('expected a POST')]);
    const plain = await http1(running, 'GET', '/v1/keys/k?fill_lease_ms=5000');
    expect([plain.status, plain.text]).toEqual([400, expect.stringContaining('fill_lease_ms')]);
  });
});
