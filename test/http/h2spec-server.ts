/**
 * A server on a real socket for h2spec, over `Http2Connection` alone: it answers
 * every request with 200 and five octets. Prints its port; ends with its input.
 * `npm run test:h2spec` runs the suite against it.
 */
import { createServer, type Socket } from 'node:net';
import { prepareBlock } from '#http/hpack/hpack-encoder.ts';
import type { Http2Events } from '#http/http2/events.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import type { Stream } from '#http/http2/stream.ts';

const ANSWER = prepareBlock([':status', '200', 'content-type', 'text/plain', 'content-length', '5']);
const BODY = Buffer.from('hello');
const pool = new OutputPool();

function serve(socket: Socket): void {
  const answer = (stream: Stream): void => {
    connection.sendHead(stream, ANSWER, false);
    connection.sendData(stream, BODY, true);
  };
  const events: Http2Events = {
    onHead: (stream, _, isEnd) => isEnd && answer(stream),
    onData: (stream, _, from, to, isEnd) => {
      connection.creditData(stream, to - from);
      if (isEnd) answer(stream);
    },
    onTrailers: answer,
    onReset: (stream) => connection.release(stream),
    onDrain: () => {},
    onGoaway: () => {},
    onFailure: () => {},
  };
  const connection = new Http2Connection({ side: 'server', events, pool, nowMs: performance.now() });
  const flush = (): void => {
    for (;;) {
      const output = socket.writableLength === 0 ? connection.takeOutput(performance.now()) : undefined;
      if (output === undefined) break;
      socket.write(output);
      if (socket.writableLength === 0) connection.reuseOutput();
    }
    if (connection.failure !== undefined) socket.end();
  };
  socket.setNoDelay(true);
  socket.on('data', (bytes: Buffer) => {
    connection.receive(bytes, performance.now());
    flush();
  });
  socket.on('drain', flush);
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.on('close', () => connection.abandon());
  flush();
}

const server = createServer({ allowHalfOpen: true }, serve);
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as { port: number }).port}\n`);
});
process.stdin.resume().on('end', () => process.exit(0));
