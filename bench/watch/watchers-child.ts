/**
 * Opens as many watchers as were ordered, each of a prefix of its own, over HTTP/2
 * connections with as many streams as a node allows. They read and drop what comes: what
 * watching costs the node is measured there. Our own codec reads it, as Node's client takes
 * several times what the node takes for a message, of the same two cores. Says when all of
 * them watch.
 */
import { connect } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { WatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Http2Events } from '#http/http2/events.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import { prefixOf } from './prefixes.ts';

const STREAMS_PER_CONNECTION = 250;
const CONNECTION_WINDOW_BYTES = 16 * 1_024 * 1_024;
const STREAM_WINDOW_BYTES = 1_024 * 1_024;
const HEAD = [
  ...[':method', 'POST', ':scheme', 'http', ':path', '/walnut.v1.KVStore/Watch', ':authority', '127.0.0.1'],
  ...['content-type', 'application/connect+proto', 'connect-protocol-version', '1'],
];

const [port = '', count = ''] = process.argv.slice(2);
const pool = new OutputPool();
/** Streams that have brought something. */
const begun = new Set<object>();

for (let i = 0; i < Number(count); i += STREAMS_PER_CONNECTION)
  watch(i, Math.min(Number(count), i + STREAMS_PER_CONNECTION));

/** One connection with the watchers of these numbers. */
function watch(first: number, end: number): void {
  const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true });
  const http2 = new Http2Connection({
    side: 'client',
    events: eventsOf((stream, bytes) => http2.creditData(stream, bytes)),
    pool,
    nowMs: performance.now(),
    connectionWindowBytes: CONNECTION_WINDOW_BYTES,
    streamWindowBytes: STREAM_WINDOW_BYTES,
  });
  const flush = (): void => {
    const output = http2.takeOutput(performance.now());
    if (output !== undefined) socket.write(output, () => http2.reuseOutput());
  };
  socket.on('error', ({ message }) => fail(message));
  socket.on('close', () => fail('the node closed a connection'));
  socket.on('data', (bytes: Buffer) => {
    http2.receive(bytes, performance.now());
    for (; first < end && http2.hasSettings; first++) {
      const stream = http2.openStream(HEAD, false);
      if (stream === undefined) fail('the node allows too few streams');
      else http2.sendData(stream, requestOf(first), true);
    }
    flush();
  });
  socket.on('connect', flush);
}

function requestOf(index: number): Buffer {
  const what = { case: 'prefix', value: prefixOf(index) } as const;
  const message = toBinary(
    WatchRequestSchema,
    create(WatchRequestSchema, { what, progressEveryMs: 600_000 }),
  );
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

function eventsOf(
  credit: (stream: Parameters<Http2Events['onData']>[0], bytes: number) => void,
): Http2Events {
  return {
    onHead() {},
    onData(stream, _bytes, from, to, isEnd) {
      if (isEnd) fail('a watch ended');
      credit(stream, to - from);
      if (begun.size < Number(count) && begun.add(stream).size === Number(count))
        process.stdout.write(`${begun.size} watch\n`);
    },
    onTrailers: () => fail('a watch ended'),
    onReset: (_stream, code) => fail(`a watch was reset with ${code}`),
    onDrain() {},
    onGoaway() {},
    onFailure: ({ why }) => fail(why),
  };
}

function fail(why: string): void {
  process.stderr.write(`${why}\n`);
  process.exit(1);
}
