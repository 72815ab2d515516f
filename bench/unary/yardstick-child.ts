/**
 * What Walnut is compared with, each in a process of its own:
 *
 *   bare    node:http or node:http2 reading each request and answering fixed bytes
 *   mixed   both of these on one port, each request answered by what it asks for
 *   stock   connect-node with the same service over a Map
 *
 * Arguments: kind, HTTP version, and the answer: for `bare` its type and base64, and the
 * files of certificate and key where it is to speak TLS; for `mixed` a JSON array of `MixedAnswer`. A line with the port says that it
 * listens.
 */
import { readFileSync } from 'node:fs';
import { createServer as createHttp1, type RequestListener } from 'node:http';
import {
  createServer as createHttp2,
  createSecureServer as createSecureHttp2,
  type ServerHttp2Stream,
} from 'node:http2';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer as createMux, type Server } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import { askedOf, type MixedAnswer } from './mixed-answers.ts';

interface Answer {
  readonly type: string;
  readonly body: Buffer;
}

const [kind, version, contentType = '', bytes = '', certFile, keyFile] = process.argv.slice(2);
const tls =
  certFile === undefined || keyFile === undefined
    ? undefined
    : { cert: readFileSync(certFile), key: readFileSync(keyFile) };

function bareHttp1(answerTo: (asked: string) => Answer): Server {
  const answer: RequestListener = (request, response) => {
    request.on('data', () => {});
    request.on('end', () => {
      const { type, body } = answerTo(askedOf(request.method, request.url, request.headers));
      response.writeHead(200, { 'content-type': type, 'content-length': body.length });
      response.end(body);
    });
  };
  return tls === undefined ? createHttp1(answer) : createHttps(tls, answer);
}

function bareHttp2(answerTo: (asked: string) => Answer): Server {
  const server = tls === undefined ? createHttp2() : createSecureHttp2(tls);
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('data', () => {});
    // A load that is over leaves its streams as they are.
    stream.on('error', () => {});
    stream.on('end', () => {
      if (stream.destroyed) return;
      const { type, body } = answerTo(askedOf(headers[':method'], headers[':path'], headers));
      stream.respond({ ':status': 200, 'content-type': type, 'content-length': body.length });
      stream.end(body);
    });
  });
  return server;
}

function stock(): Server {
  const entries = new Map<string, Uint8Array>();
  const position = { $typeName: 'walnut.v1.Position', epoch: 4_294_967_297n, lsn: 1n, group: '' } as const;
  const adapter = connectNodeAdapter({
    routes: (router) => {
      router.service(KVStore, {
        get: ({ key }) => {
          const value = entries.get(key);
          return value === undefined
            ? { asOf: position }
            : { found: true, value, version: position, asOf: position };
        },
        set: ({ key, value }) => {
          entries.set(key, value.slice());
          return { applied: true, position };
        },
      });
    },
  });
  return version === '2' ? createHttp2(adapter) : createHttp1(adapter as RequestListener);
}

/** HTTP/1.1 and HTTP/2 by the first two bytes of a connection: `PR` begins an HTTP/2 preface only. */
function mixed(): Server {
  const answers = new Map(
    (JSON.parse(contentType) as MixedAnswer[]).map(({ asked, type, base64 }) => [
      asked,
      { type, body: Buffer.from(base64, 'base64') },
    ]),
  );
  const answerTo = (asked: string): Answer => {
    const answer = answers.get(asked);
    if (answer === undefined) throw new Error(`asked for ${asked}`);
    return answer;
  };
  const [http1, http2] = [bareHttp1(answerTo), bareHttp2(answerTo)];
  return createMux((socket) => {
    socket.on('error', () => {});
    socket.once('data', (chunk: Buffer) => {
      socket.pause();
      socket.unshift(chunk);
      (chunk.subarray(0, 2).equals(Buffer.from('PR')) ? http2 : http1).emit('connection', socket);
      // node:http2 reads what was put back when it has the socket: only then may it flow.
      process.nextTick(() => socket.resume());
    });
  });
}

function create(): Server {
  if (kind === 'stock') return stock();
  if (kind === 'mixed') return mixed();
  const answer = { type: contentType, body: Buffer.from(bytes, 'base64') };
  return version === '2' ? bareHttp2(() => answer) : bareHttp1(() => answer);
}

const server = create();
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
});
// Nobody is left to stop it.
process.stdin.resume().on('end', () => process.exit(0));
