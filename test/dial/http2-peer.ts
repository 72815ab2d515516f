/** The server's side of our codec on a socket, answering each call as a test says. */
import type { Socket } from 'node:net';
import type { Head } from '#http/hpack/head.ts';
import { Http2Connection } from '#http/http2/http2-connection.ts';
import { OutputPool } from '#http/http2/output.ts';
import type { Stream } from '#http/http2/stream.ts';

export interface Http2Peer {
  readonly connection: Http2Connection;
  receive(bytes: Buffer): void;
  /** Writes what there is. */
  flush(): void;
  /** The caller has reset a stream. */
  isReset(): boolean;
}

export interface PeerOptions {
  readonly onData?: (bytes: number) => void;
  readonly streamsMax?: number;
}

/** `answer` is called with the head of each call, whether its body has come or not. */
export function acceptHttp2(
  socket: Socket,
  answer: (connection: Http2Connection, stream: Stream, head: Head) => void,
  { onData = () => {}, streamsMax = 256 }: PeerOptions = {},
): Http2Peer {
  let hasReset = false;
  const connection: Http2Connection = new Http2Connection({
    side: 'server',
    pool: new OutputPool(),
    nowMs: 0,
    streamsMax,
    events: {
      onHead: (stream, head) => answer(connection, stream, head),
      onData: (stream, _bytes, from, to) => {
        onData(to - from);
        connection.creditData(stream, to - from);
      },
      onTrailers: () => {},
      onReset: (stream, _code, by) => {
        hasReset ||= by === 'peer';
        connection.release(stream);
      },
      onDrain: () => {},
      onGoaway: () => {},
      onFailure: () => {},
    },
  });
  const flush = (): void => {
    if (socket.destroyed) return;
    for (let output = connection.takeOutput(0); output !== undefined; output = connection.takeOutput(0))
      socket.write(output);
  };
  const receive = (bytes: Buffer): void => {
    connection.receive(bytes, 0);
    flush();
  };
  socket.on('data', receive);
  return { connection, receive, flush, isReset: () => hasReset };
}
