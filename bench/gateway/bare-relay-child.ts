/**
 * Passes each request of HTTP/1.1 on to a node and the answer back, by our own HTTP on both sides, and
 * looks at the bytes of neither: a gateway has to do this and more. Argument: the address of the
 * node. A line with the port says that it listens.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Endpoint, tryEndpoint } from '#dial/endpoint.ts';
import { createOwnTransport } from '#dial/http2/own-transport.ts';
import { openDirectHttp2 } from '#dial/open-socket.ts';
import { KVStore } from '#gen/walnut/v1/kv_store_pb.ts';
import type { Http1Head } from '#http/http1/head1.ts';
import { type RequestEvents, RequestReader } from '#http/http1/request-reader.ts';
import { asBuffer } from '#platform/bytes.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { type BytesReader, directSocketOf, isDirect } from '#rpc/direct-socket.ts';

const [address = ''] = process.argv.slice(2);
const TIMEOUT_MS = 1_000;
const node = createOwnTransport(tryEndpoint(address) as Endpoint, createNodeClock(), openDirectHttp2);

class Relayed implements RequestEvents, BytesReader {
  readonly #socket: Socket;
  readonly #reader = new RequestReader(this);
  #rpc = KVStore.method.get as (typeof KVStore.methods)[number];
  #pieces: Buffer[] = [];

  constructor(socket: Socket) {
    this.#socket = socket;
    // What is read goes to one of the two.
    if (isDirect(socket)) socket.readTo(this);
    socket.on('data', (bytes: Buffer) => this.onBytes(bytes));
    socket.on('error', () => {});
  }

  onHead({ target }: Http1Head): boolean {
    const name = target.slice(target.lastIndexOf('/') + 1);
    this.#rpc = KVStore.methods.find((each) => each.name === name) ?? this.#rpc;
    return true;
  }

  onBody(bytes: Buffer, from: number, to: number, isEnd: boolean): void {
    this.#pieces.push(Buffer.from(bytes.subarray(from, to)));
    if (!isEnd) return;
    const [first, ...others] = this.#pieces;
    const message = others.length === 0 ? (first as Buffer) : Buffer.concat(this.#pieces);
    this.#pieces = [];
    node
      .pass(this.#rpc as typeof KVStore.method.get, message, { timeoutMs: TIMEOUT_MS }, inText)
      .then((text) => this.#answer(text))
      .catch(() => this.#socket.destroy());
  }

  onBytes(bytes: Buffer): void {
    this.#reader.push(bytes);
    this.#reader.keep();
  }

  #answer(text: string): void {
    this.#socket.write(
      `HTTP/1.1 200 OK\r\ncontent-type: application/proto\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
      'latin1',
    );
    this.#reader.next();
  }
}

function inText(answer: Uint8Array): string {
  return asBuffer(answer).toString('latin1');
}

const server = createServer({ noDelay: true }, (socket) => void new Relayed(directSocketOf(socket)));
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`port ${(server.address() as AddressInfo).port}\n`);
});
