/** Watchers of large values, by each way to watch: all of them are told one value, and read it. */
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { create, toBinary } from '@bufbuild/protobuf';
import { WatchRequestSchema } from '#gen/walnut/v1/kv_store_pb.ts';
import type { ProbedServer } from './probed-server.ts';

const WATCHERS = 20;
const VALUE = Buffer.alloc(8_000_000, 'x');
const BASE64_BYTES = 4 * Math.ceil(VALUE.length / 3);
const KEY = 'watched';

export interface StallWatch {
  readonly name: string;
  readonly path: string;
  /** Undefined: a GET. */
  readonly body?: Buffer;
  readonly type?: string;
  /** What each watcher is sent of a value, at least. */
  readonly toldBytes: number;
}

const RPC = '/walnut.v1.KVStore/Watch';
const inProtobuf = toBinary(
  WatchRequestSchema,
  create(WatchRequestSchema, { what: { case: 'key', value: KEY } }),
);

export const WATCHES: readonly StallWatch[] = [
  {
    name: `${WATCHERS} watchers of 8 MB by /v1/watch`,
    path: `/v1/watch?key=${KEY}`,
    toldBytes: BASE64_BYTES,
  },
  {
    name: `${WATCHERS} watchers of 8 MB by the rpc in JSON`,
    path: RPC,
    body: framed(Buffer.from(JSON.stringify({ key: KEY }))),
    type: 'application/connect+json',
    toldBytes: BASE64_BYTES,
  },
  {
    name: `${WATCHERS} watchers of 8 MB by the rpc in protobuf`,
    path: RPC,
    body: framed(inProtobuf),
    type: 'application/connect+proto',
    toldBytes: VALUE.length,
  },
];

function framed(message: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

export interface Watchers {
  /** Writes a value, and resolves when each has been sent as many bytes. */
  tell(): Promise<void>;
  stop(): void;
}

export async function tellWatchers(server: ProbedServer, watch: StallWatch): Promise<Watchers> {
  const all = await Promise.all(Array.from({ length: WATCHERS }, () => openWatcher(server, watch)));
  return {
    tell: async () => {
      const told = all.map((watcher) => watcher.untilSent(watch.toldBytes));
      await server.send({
        ...{ name: 'write to be watched', path: `/v1/keys/${KEY}`, verb: 'PUT', isGzip: false },
        ...{ type: 'application/octet-stream', body: VALUE },
      });
      await Promise.all(told);
    },
    stop: () => {
      for (const watcher of all) watcher.sent.destroy();
    },
  };
}

class Watcher {
  readonly sent: ClientRequest;
  #bytes = 0;
  #wanted = Number.POSITIVE_INFINITY;
  #resolve = (): void => {};

  constructor(sent: ClientRequest, response: IncomingMessage) {
    this.sent = sent;
    response.on('error', () => {});
    response.on('data', (chunk: Buffer) => {
      this.#bytes += chunk.length;
      if (this.#bytes >= this.#wanted) this.#resolve();
    });
  }

  /** So many bytes from now on. */
  untilSent(bytes: number): Promise<void> {
    this.#wanted = this.#bytes + bytes;
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }
}

function openWatcher({ port }: ProbedServer, { path, body, type }: StallWatch): Promise<Watcher> {
  const headers = type === undefined ? {} : { 'content-type': type, 'connect-protocol-version': '1' };
  const method = body === undefined ? 'GET' : 'POST';
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, method, headers }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`${path} was answered ${response.statusCode}`));
      else resolve(new Watcher(sent, response));
    });
    sent.on('error', reject);
    sent.end(body);
  });
}
