/**
 * What Walnut is compared with, each in a process of its own:
 *
 *   bare    node:http or node:http2 reading each request and answering fixed bytes
 *   stock   connect-node with the same service over a Map
 *
 * Arguments: kind, HTTP version, and for `bare` the answer: type and base64. A
 * line with the port says that it listens.
 */
import { createServer as createHttp1, type RequestListener } from 'node:http';
import { createServer as createHttp2, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Server } from 'node:net';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';

const [kind, version, contentType = '', bytes = ''] = process.argv.slice(2);

function bareHttp1(type: string, body: Buffer): Server {
  return createHttp1((request, response) => {
    request.on('data', () => {});
    request.on('end', () => {
      response.writeHead(200, { 'content-type': type, 'content-length': body.length });
      response.end(body);
    });
  });
}

function bareHttp2(type: string, body: Buffer): Server {
  const server = createHttp2();
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('data', () => {});
    // A load that is over leaves its streams as they are.
    stream.on('error', () => {});
    stream.on('end', () => {
      if (stream.destroyed) return;
      stream.respond({ ':status': 200, 'content-type': type, 'content-length': body.length });
      stream.end(body);
    });
  });
  return server;
}

function stock(): Server {
  const entries = new Map<string, Uint8Array>();
  const position = { $typeName: 'walnut.v1.Position', epoch: 4_294_967_297n, lsn: 1n } as const;
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

function create(): Server {
  if (kind === 'stock') return stock();
  const body = Buffer.from(bytes, 'base64');
  return version === '2' ? bareHttp2(contentType, body) : bareHttp1(contentType, body);
}

const server = create();
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
});
// Nobody is left to stop it.
process.stdin.resume().on('end', () => process.exit(0));
