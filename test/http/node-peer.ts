/**
 * `node:http2`, that is nghttp2, as the peer of a connection of ours: in this
 * process, over a stream in memory. The second opinion on frames and on HPACK.
 */
import * as http2 from 'node:http2';
import { Duplex } from 'node:stream';
import type { Http2Connection } from '#http/http2/http2-connection.ts';

export class NodePeer {
  /** The end of node:http2. */
  readonly stream: Duplex;
  readonly #connection: () => Http2Connection;
  #isScheduled = false;
  /** Goes on with what is brought over, so that the limits' counters refill on long runs. */
  #nowMs = 0;

  constructor(connection: () => Http2Connection) {
    this.#connection = connection;
    this.stream = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _, done) => {
        // Like a socket: not within the writer's call.
        setImmediate(() => {
          this.#nowMs += 10;
          this.#connection().receive(chunk, this.#nowMs);
          this.flush();
          done();
        });
      },
      final: (done) => {
        this.stream.push(null);
        done();
      },
    });
  }

  /** Brings our output over, once per turn. */
  flush(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const output = this.#connection().takeOutput(this.#nowMs);
      if (output !== undefined && !this.stream.destroyed) this.stream.push(output);
      if (this.#connection().hasOutput) this.flush();
    });
  }

  /** A client of our server. */
  connect(settings: http2.Settings = {}): http2.ClientHttp2Session {
    return http2.connect('http://a', { createConnection: () => this.stream, settings });
  }

  /** The server of our client. */
  serve(
    onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
    settings: http2.Settings = {},
  ): http2.ServerHttp2Session {
    const session = http2.performServerHandshake(this.stream as never, { settings });
    session.on('stream', onStream);
    return session;
  }
}
