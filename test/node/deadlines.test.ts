/** A caller's deadline that is shorter than the wait it asked for, in every protocol of a real edge. */
import { connect as connectHttp2 } from 'node:http2';
import { create, toBinary } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { GetRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import { silentLogger } from '#platform/logger.ts';
import { Metrics } from '#platform/metrics.ts';
import { openServer } from '#server/open-server.ts';
import { HTTP1, HTTP2 } from '#test/doubles/http-choice.ts';
import { NO_SETTINGS } from '#test/doubles/no-settings.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { http1, http2, onCleanup, type Running, until } from '#test/server/running.ts';

const DEADLINE_MS = 200;

/** A replica behind a port, and a position that its master has not written yet. */
async function replicaBehindPort() {
  const group = new TestGroup();
  const master = await group.master();
  const replica = await group.replica('one');
  await group.set(master, 'k', 'v');
  await group.untilLevel([master, replica]);
  const server = await openServer({
    ports: replica.node.ports,
    clock: group.clock,
    logger: silentLogger,
    metrics: new Metrics(),
    host: '127.0.0.1',
    port: 0,
    valueBytesMax: 1_024,
    batchBytesMax: 8_192,
    bodyBytesMax: 512 << 20,
    answerBytesMax: 256 << 20,
    hostNames: [],
    corsOrigins: new Set(),
    settings: NO_SETTINGS,
    openFilesMax: 20_000,
    http1: HTTP1,
    http2: HTTP2,
    version: 'test',
  });
  onCleanup(() => server.close(0));
  const { epoch, lsn } = master.node.digest().position;
  const ahead = { epoch: BigInt(epoch), lsn: BigInt(lsn + 1) };
  const running = { server, baseUrl: `http://127.0.0.1:${server.port}` } as Running;
  return { group, running, ahead };
}

/** Lets the deadline pass, and no more than it. */
async function afterDeadline<T>(group: TestGroup, answer: Promise<T>): Promise<T> {
  let isAnswered = false;
  void answer.then(() => {
    isAnswered = true;
  });
  // The request is on a real socket: virtual time may only pass once it has arrived.
  await until(() => group.clock.pendingTimers > 0);
  for (let turn = 0; turn < 50; turn++) await group.clock.settle();
  await group.clock.advance(DEADLINE_MS - 1);
  expect(isAnswered).toBe(false);
  await group.clock.advance(2);
  return answer;
}

function enveloped(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([0, 0, 0, 0, bytes.length]), bytes]);
}

describe('a deadline before the end of a wait', () => {
  it.each([
    ['KVStore/Get', (at: string) => ({ key: 'k', atLeast: at, waitMs: 5_000 })],
    ['KVStore/AwaitDurable', (at: string) => ({ position: at, timeoutMs: 5_000 })],
    ['KVStore/Batch', (at: string) => ({ operations: [{ get: { key: 'k', atLeast: at, waitMs: 5_000 } }] })],
    ['Admin/Digest', (at: string) => ({ at, waitMs: 5_000 })],
  ])('is DEADLINE_EXCEEDED of %s in JSON over HTTP/1.1', async (method, request) => {
    const { group, running, ahead } = await replicaBehindPort();
    const position = { epoch: String(ahead.epoch), lsn: String(ahead.lsn) };
    const answer = await afterDeadline(
      group,
      http1(running, 'POST', `/walnut.v1.${method}`, {
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': String(DEADLINE_MS) },
        body: JSON.stringify(request(position as never)),
      }),
    );
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([504, 'deadline_exceeded']);
  });

  it.each(['application/grpc+proto', 'application/grpc-web+proto'])(
    'is DEADLINE_EXCEEDED in %s',
    async (type) => {
      const { group, running, ahead } = await replicaBehindPort();
      const client = connectHttp2(running.baseUrl);
      client.on('error', () => {});
      onCleanup(() => client.destroy());
      const message = create(GetRequestSchema, { key: 'k', atLeast: ahead, waitMs: 5_000 });
      const answer = await afterDeadline(
        group,
        http2(
          client,
          {
            ':method': 'POST',
            ':path': '/walnut.v1.KVStore/Get',
            'content-type': type,
            'grpc-timeout': `${DEADLINE_MS}m`,
            te: 'trailers',
          },
          enveloped(toBinary(GetRequestSchema, message)),
        ),
      );
      const status = answer.trailers['grpc-status'] ?? /grpc-status: (\d+)/.exec(answer.text)?.[1];
      expect(Number(status)).toBe(Code.DeadlineExceeded);
    },
  );

  it('is UNAVAILABLE where the wait ends first', async () => {
    const { group, running, ahead } = await replicaBehindPort();
    const position = { epoch: String(ahead.epoch), lsn: String(ahead.lsn) };
    const answer = await afterDeadline(
      group,
      http1(running, 'POST', '/walnut.v1.KVStore/Get', {
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': '10000' },
        body: JSON.stringify({ key: 'k', atLeast: position, waitMs: DEADLINE_MS }),
      }),
    );
    expect([answer.status, JSON.parse(answer.text).code]).toEqual([503, 'unavailable']);
  });
});
