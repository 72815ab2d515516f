/** A key whose slot another group owns, as callers of each protocol are told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Code, createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { WalnutError } from '#model/errors.ts';
import { http1, http2, type Running, session, start } from '#test/server/running.ts';
import { RunningGateway } from '#test/server/running-gateway.ts';

const SHARD = { slot: 12_182, group: 'g2', address: '10.0.0.7:8080', mapEpoch: 7 };

async function startWithout(shard = SHARD): Promise<Running> {
  const running = await start();
  running.node.failure = new WalnutError('shard_moved', 'ask g2', { shard, nothingDone: true });
  return running;
}

describe('a key of another group', () => {
  it.each(['GET', 'HEAD'])('is found by %s where its master is known', async (method) => {
    const { status, headers } = await http1(
      await startWithout(),
      method,
      '/v1/keys/a%2Fb%20c?at_least=1-1&wait=1s',
    );
    expect(status).toBe(307);
    expect(headers).toMatchObject({
      location: '//10.0.0.7:8080/v1/keys/a%2Fb%20c?at_least=1-1&wait=1s',
      'x-shard-id': '12182',
      'x-new-node-hint': '10.0.0.7:8080',
      'x-map-epoch': '7',
    });
  });

  it.each(['PUT', 'DELETE'])('is refused to %s with the hint', async (method) => {
    const { status, headers, text } = await http1(await startWithout(), method, '/v1/keys/foo');
    expect(status).toBe(421);
    expect(headers).toMatchObject({ 'x-new-node-hint': '10.0.0.7:8080' });
    expect(headers['location']).toBeUndefined();
    expect(JSON.parse(text)).toMatchObject({ code: 'failed_precondition', message: 'ask g2' });
  });

  it('is refused to GET where its master is not known', async () => {
    const running = await startWithout({ ...SHARD, address: '' });
    const { status, headers } = await http1(running, 'GET', '/v1/keys/foo');
    expect([status, headers['location'], headers['x-new-node-hint']]).toEqual([421, undefined, undefined]);
  });

  it('is FAILED_PRECONDITION of an rpc in JSON, with the details and the headers', async () => {
    const path = '/walnut.v1.KVStore/Get';
    const headers = { 'content-type': 'application/json' };
    const answer = await http1(await startWithout(), 'POST', path, { headers, body: '{"key":"foo"}' });
    expect(answer.status).toBe(400);
    expect(answer.headers).toMatchObject({ 'x-shard-id': '12182', 'x-map-epoch': '7' });
    const debug = { reason: 'ROUTING_REASON_SHARD_MOVED', slot: 12_182, group: 'g2', mapEpoch: '7' };
    expect(JSON.parse(answer.text)).toMatchObject({
      code: 'failed_precondition',
      details: [{ debug: { nothingDone: true } }, { debug: { ...debug, address: '10.0.0.7:8080' } }],
    });
  });

  it('is FAILED_PRECONDITION of gRPC, with the headers as trailers', async () => {
    const running = await startWithout();
    const headers = {
      ':method': 'POST',
      ':path': '/walnut.v1.KVStore/Get',
      'content-type': 'application/grpc',
      te: 'trailers',
    };
    const answer = await http2(session(running), headers, Buffer.from([0, 0, 0, 0, 5, 10, 3, 102, 111, 111]));
    expect(answer.trailers).toMatchObject({
      'grpc-status': String(Code.FailedPrecondition),
      'x-shard-id': '12182',
      'x-new-node-hint': '10.0.0.7:8080',
    });
  });
});

it('is refused by the masters behind a gateway of these tests, and reaches its owner through it', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-moved-'));
  const gateway = await RunningGateway.start(directory);
  try {
    const passedOn = createClient(
      KVStore,
      createConnectTransport({ baseUrl: `http://${gateway.address}`, httpVersion: '1.1' }),
    );
    const put = async (address: string, key: string): Promise<[number, string | null]> => {
      const url = `http://${address}/v1/keys/${key}`;
      const { status, headers } = await fetch(url, { method: 'PUT', body: 'v' });
      return [status, headers.get('x-new-node-hint')];
    };
    // In slots 3696, 7629 and 15891: one of each group.
    for (const key of ['w', 'k', 't']) {
      const owner = gateway.masterOf(key);
      for (const master of gateway.masters.values())
        expect(await put(master.address, key)).toEqual(master === owner ? [201, null] : [421, owner.address]);
      expect((await put(gateway.address, key))[0]).toBe(204);
      expect(await passedOn.set({ key, value: Buffer.from('v') })).toMatchObject({ applied: true });
    }
  } finally {
    await gateway.stop();
    rmSync(directory, { recursive: true });
  }
});
