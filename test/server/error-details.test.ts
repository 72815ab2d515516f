/** What errors say to programs, in every protocol. */
import { ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import {
  LimitExceededSchema,
  LogRangeSchema,
  RefusalSchema,
  RoutingErrorSchema,
  RoutingReason,
} from '#gen/walnut/v1/errors_pb.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { asRefusal, notYet, unavailable, WalnutError } from '#model/errors.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { type Running, rpc, start, VALUE_BYTES_MAX } from '#test/server/running.ts';
import { toError } from '#wire/error-reader.ts';

const TRANSPORTS: [string, (running: Running) => Transport][] = [
  ['Connect', ({ baseUrl }) => createConnectTransport({ baseUrl, httpVersion: '1.1' })],
  [
    'Connect in JSON',
    ({ baseUrl }) => createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: false }),
  ],
  ['gRPC', ({ baseUrl }) => createGrpcTransport({ baseUrl })],
  ['gRPC-Web', ({ baseUrl }) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' })],
];

async function errorOf(call: Promise<unknown>): Promise<ConnectError> {
  return call.then(
    () => expect.unreachable('it should fail'),
    (error: unknown) => ConnectError.from(error),
  );
}

describe.each(TRANSPORTS)('the details of an error over %s', (_name, transportOf) => {
  it('name the master, and say that nothing was done', async () => {
    const running = await start();
    running.node.failure = asRefusal(
      new WalnutError('not_master', 'this node is a replica', { leaderHint: 'm:8080' }),
    ) as Error;
    const error = await errorOf(createClient(KVStore, transportOf(running)).set({ key: 'k' }));
    expect(error.findDetails(RoutingErrorSchema)).toMatchObject([
      { reason: RoutingReason.NOT_LEADER, address: 'm:8080' },
    ]);
    expect(error.findDetails(RefusalSchema)).toMatchObject([{ nothingDone: true }]);
    expect(error.metadata.get('x-leader-hint')).toBe('m:8080');
  });

  it('name the node that may serve a read, and do not say what they do not know', async () => {
    const running = await start();
    running.node.failure = new WalnutError('unavailable', 'too stale', { leaderHint: 'm:8080' });
    const error = await errorOf(
      createClient(KVStore, transportOf(running)).get({ key: 'k', maxStalenessMs: 1n }),
    );
    expect(error.findDetails(RoutingErrorSchema)).toMatchObject([{ reason: RoutingReason.NOT_NOW }]);
    expect(error.details.length).toBe(1);
  });

  it('tell what one request cannot have yet from a node that serves nothing', async () => {
    const running = await start();
    const client = createClient(KVStore, transportOf(running));
    running.node.failure = notYet('position 3-5 is not reached');
    const error = await errorOf(client.get({ key: 'k' }));
    expect(error.findDetails(RoutingErrorSchema)).toMatchObject([
      { reason: RoutingReason.NOT_YET, address: '' },
    ]);
    expect(toError(error).details.isNotYet).toBe(true);
    running.node.failure = unavailable('this node is loading');
    expect(toError(await errorOf(client.get({ key: 'k' }))).details.isNotYet).toBeUndefined();
  });

  it('name the limit and what was sent', async () => {
    const running = await start();
    const client = createClient(KVStore, transportOf(running));
    const long = await errorOf(client.get({ key: 'k'.repeat(1_025) }));
    expect(long.findDetails(LimitExceededSchema)).toMatchObject([{ name: 'key', max: 1_024n, size: 1_025n }]);
    const large = await errorOf(client.set({ key: 'k', value: new Uint8Array(VALUE_BYTES_MAX + 1) }));
    expect(large.findDetails(LimitExceededSchema)).toMatchObject([
      { name: 'server.max_value_bytes', max: BigInt(VALUE_BYTES_MAX), size: BigInt(VALUE_BYTES_MAX + 1) },
    ]);
  });

  it('give the positions that the log still has', async () => {
    const running = await start();
    running.node.failure = new WalnutError('out_of_range', 'it begins later', {
      earliest: positionOf(5),
      latest: positionOf(9),
    });
    const error = await errorOf(createClient(KVStore, transportOf(running)).getUpdates({}));
    expect(error.findDetails(LogRangeSchema)).toMatchObject([{ earliest: { lsn: 5n }, latest: { lsn: 9n } }]);
  });
});

describe('the details of an error as JSON', () => {
  it('can be read without decoding', async () => {
    const running = await start();
    running.node.failure = new WalnutError('not_master', 'this node is a replica', { leaderHint: 'm:8080' });
    const { json } = await rpc(running, 'KVStore/Set', { key: 'k' });
    expect(json['details']).toMatchObject([
      {
        type: 'walnut.v1.RoutingError',
        debug: { reason: 'ROUTING_REASON_NOT_LEADER', address: 'm:8080' },
      },
    ]);
  });

  it('say that a server that is stopping did nothing', async () => {
    const running = await start();
    running.server.beginDrain();
    const { json } = await rpc(running, 'KVStore/Set', { key: 'k' });
    expect(json).toMatchObject({
      code: 'unavailable',
      details: [{ type: 'walnut.v1.Refusal', debug: { nothingDone: true } }],
    });
    expect(running.node.calls).toEqual([]);
  });
});
