/** Connect over our own HTTP/2: the same answers and errors as connect-node gives, and what ends a call. */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, Http2SessionManager } from '@connectrpc/connect-node';
import { describe, expect, it } from 'vitest';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { AnswerStream } from '#dial/http2/answer-stream.ts';
import { Http2Client } from '#dial/http2/http2-client.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import type { Http2Connection } from '#http/http2/http2-connection.ts';
import type { Stream } from '#http/http2/stream.ts';
import { WalnutError } from '#model/errors.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { acceptHttp2 } from '#test/dial/http2-peer.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { positionOf } from '#test/server/fake-node.ts';
import { onCleanup, type Running, start } from '#test/server/running.ts';

const MIB = 1 << 20;

/** The same node by both transports. */
async function both(): Promise<{ running: Running; own: Transport; node: Transport }> {
  const running = await start({ valueBytesMax: 8 * MIB, batchBytesMax: 32 * MIB });
  const endpoint = tryEndpoint(running.server.address) as Endpoint;
  const own = createOwnTransport(endpoint, createNodeClock());
  const sessionManager = new Http2SessionManager(running.baseUrl);
  onCleanup(() => {
    own.close();
    sessionManager.abort();
  });
  const node = createConnectTransport({ baseUrl: running.baseUrl, httpVersion: '2', sessionManager });
  return { running, own: own.transport, node };
}

/** What a caller is told: of an error, all that a caller may look at. */
async function outcome(transport: Transport, ask: (client: ReturnType<typeof store>) => Promise<unknown>) {
  try {
    return await ask(store(transport));
  } catch (error) {
    const { code, rawMessage, details, metadata } = error as ConnectError;
    return { code, rawMessage, details, metadata: [...metadata].filter(([name]) => name !== 'date') };
  }
}

const store = (transport: Transport) => createClient(KVStore, transport);

describe('a unary call', () => {
  it('is answered as connect-node answers it', async () => {
    const { running, own, node } = await both();
    const value = Buffer.alloc(3 * MIB, 7);
    running.node.entries.set('k', { key: 'k', value, expireAtMs: 0, version: positionOf(1) });
    const asked = [
      (client: ReturnType<typeof store>) => client.get({ key: 'k' }),
      (client: ReturnType<typeof store>) => client.get({ key: 'missing' }, { timeoutMs: 5_000 }),
      (client: ReturnType<typeof store>) =>
        client.set({ key: 'large', value }).then(({ applied }) => applied),
      (client: ReturnType<typeof store>) => client.get({ key: '' }),
      (client: ReturnType<typeof store>) => client.get({ key: 'x'.repeat(5_000) }),
    ];
    for (const ask of asked) expect(await outcome(own, ask)).toEqual(await outcome(node, ask));
    running.node.failure = new WalnutError('not_master', 'because', { leaderHint: 'm:8080' });
    const ask = (client: ReturnType<typeof store>): Promise<unknown> => client.set({ key: 'k' });
    expect(await outcome(own, ask)).toEqual(await outcome(node, ask));
  });

  it('has headers and trailers of its answer, and sends those of its caller', async () => {
    const { running, own, node } = await both();
    const seen = async (transport: Transport): Promise<unknown> => {
      const told: [string, string][][] = [];
      const note = (headers: Headers): void => {
        told.push([...headers].filter(([name]) => name !== 'date'));
      };
      const headers = { traceparent: '00-1-2-01', 'x-odd': 'a, b' };
      await store(transport).get({ key: 'k' }, { headers, onHeader: note, onTrailer: note });
      return told;
    };
    expect(await seen(own)).toEqual(await seen(node));
    expect(running.node.calls.length).toBe(2);
  });

  it('brings the credential of its endpoint, as a stream does, and not one of its caller', async () => {
    const seen: string[] = [];
    const server = createServer((socket) => {
      onCleanup(() => {
        socket.destroy();
      });
      acceptHttp2(socket, (connection, one, head) => {
        seen.push(`${head.path.split('/').at(-1)} ${head.get('authorization')}`);
        connection.sendHead(one, prepareBlock([':status', '503']), true);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onCleanup(() => {
      server.close();
    });
    const endpoint = tryEndpoint(`127.0.0.1:${(server.address() as AddressInfo).port}`) as Endpoint;
    let token = 'one';
    const authorization = (): string => `Bearer ${token}`;
    const { transport, close } = createOwnTransport({ ...endpoint, authorization }, createNodeClock());
    onCleanup(close);
    const headers = { authorization: 'Bearer other' };
    const client = store(transport);
    await client.get({ key: 'k' }).catch(() => {});
    token = 'two';
    await client.get({ key: 'k' }, { headers }).catch(() => {});
    await client
      .watch({}, { headers })
      [Symbol.asyncIterator]()
      .next()
      .catch(() => {});
    expect(seen).toEqual(['Get Bearer one', 'Get Bearer two', 'Watch Bearer two']);
  });

  it('that its caller gives up, before or after it is sent, is canceled', async () => {
    const { own } = await both();
    const before = await outcome(own, (client) => client.get({ key: 'k' }, { signal: AbortSignal.abort() }));
    expect(before).toMatchObject({ code: Code.Canceled });
    const caller = new AbortController();
    const get = outcome(own, (client) => client.get({ key: 'k' }, { signal: caller.signal }));
    caller.abort();
    expect(await get).toMatchObject({ code: Code.Canceled });
  });

  it('ends at its time limit, and leaves no timer', async () => {
    const { running } = await both();
    const mute = createServer((socket) => {
      onCleanup(() => {
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    onCleanup(() => {
      mute.close();
    });
    const { port } = mute.address() as AddressInfo;
    const clock = new VirtualClock();
    const get = (address: string, timeoutMs: number): Promise<unknown> => {
      const { transport, close } = createOwnTransport(tryEndpoint(address) as Endpoint, clock);
      onCleanup(close);
      return outcome(transport, (client) => client.get({ key: 'k' }, { timeoutMs }));
    };
    expect(await get(running.server.address, 60_000)).toMatchObject({ found: false });
    // Connections look once more at their calls.
    await clock.advance(1_000);
    expect(clock.pendingTimers).toBe(0);
    const late = get(`127.0.0.1:${port}`, 100);
    await clock.advance(100);
    expect(await late).toMatchObject({ code: Code.DeadlineExceeded, rawMessage: 'the operation timed out' });
  });
});

/** One call whose peer does `answer`. */
function stream(answer: (connection: Http2Connection, stream: Stream) => void) {
  const clock = new VirtualClock();
  const [near, far] = duplexPair();
  const peer = acceptHttp2(far as unknown as Socket, answer);
  const client = new Http2Client(
    { text: 'a:1', host: 'a', port: 1, tls: undefined },
    clock,
    () => near as unknown as Socket,
  );
  const fields = [':method', 'POST', ':scheme', 'http', ':authority', 'a:1', ':path', '/'];
  return { clock, peer, answered: new AnswerStream(client, fields, Buffer.from('body')) };
}

const OK = prepareBlock([':status', '200']);

describe('an answer in pieces', () => {
  it('waits at the peer while its reader does not take it, and is whole in the end', async () => {
    const { clock, peer, answered } = stream((connection, one) => {
      connection.sendHead(one, OK, false);
      connection.sendData(one, Buffer.alloc(12 * MIB, 1), false);
      connection.sendTrailers(one, prepareBlock(['grpc-status', '0']));
    });
    expect((await answered.head).status).toBe(200);
    await clock.settle();
    expect(peer.connection.queuedBytes).toBeGreaterThanOrEqual(8 * MIB);
    let bytes = 0;
    for await (const chunk of answered) bytes += chunk.length;
    expect([bytes, answered.trailer.get('grpc-status')]).toEqual([12 * MIB, '0']);
  });

  it('ends at the peer where its reader stops, and where it is canceled', async () => {
    const send = (connection: Http2Connection, one: Stream): void => {
      connection.sendHead(one, OK, false);
      connection.sendData(one, Buffer.from('first'), false);
    };
    const stopped = stream(send);
    for await (const _ of stopped.answered) break;
    await stopped.clock.settle();
    expect(stopped.peer.isReset()).toBe(true);

    const canceled = stream(send);
    await canceled.answered.next();
    const next = canceled.answered.next();
    canceled.answered.cancel(new Error('enough'));
    await expect(next).rejects.toThrow('enough');
    await expect(canceled.answered.next()).rejects.toThrow('enough');
    await canceled.clock.settle();
    expect(canceled.peer.isReset()).toBe(true);
  });

  it('that is cut off fails its reader, and a head that never comes its caller', async () => {
    const cut = stream((connection, one) => {
      connection.sendHead(one, OK, false);
      setImmediate(() => connection.resetStream(one, 8));
    });
    await cut.answered.head;
    const told = expect(cut.answered.next()).rejects.toMatchObject({ code: Code.Canceled });
    await cut.clock.settle();
    cut.peer.flush();
    await told;
    const refused = stream((connection, one) => connection.resetStream(one, 2));
    await expect(refused.answered.head).rejects.toMatchObject({ code: Code.Internal });
    await expect(refused.answered.next()).rejects.toBeInstanceOf(ConnectError);
  });
});
