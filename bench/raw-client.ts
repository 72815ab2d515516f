/**
 * HTTP/1.1 by hand, pipelined: a load generator must cost less than what it
 * loads. Knows just enough of HTTP to read this server's answers.
 */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** The status line and the headers. */
  readonly head: string;
  /** A view, good until the callback returns. */
  readonly body: Buffer;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class RawClient {
  readonly #socket: Socket;
  readonly #host: string;
  #waiting: ((answer: RawAnswer) => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;

  private constructor(socket: Socket, address: string) {
    this.#socket = socket;
    this.#host = address;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', (error) => {
      this.#failure = error;
    });
    socket.on('close', () => {
      if (this.#waiting.length > 0) throw this.#failure ?? new Error(`${address} closed the connection`);
    });
  }

  static open(address: string): Promise<RawClient> {
    const [host = '', port = ''] = address.split(':');
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RawClient(socket, address));
      });
    });
  }

  /** Requests sent and not answered yet. */
  get underWay(): number {
    return this.#waiting.length;
  }

  get(path: string, onAnswer: (answer: RawAnswer) => void): void {
    this.#waiting.push(onAnswer);
    this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n\r\n`);
  }

  /** A unary call of the Connect protocol: `message` is protobuf. */
  call(path: string, message: Uint8Array, onAnswer: (answer: RawAnswer) => void): void {
    this.#waiting.push(onAnswer);
    const head = `POST ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-type: application/proto\r\ncontent-length: ${message.length}\r\n\r\n`;
    this.#socket.write(Buffer.concat([Buffer.from(head, 'latin1'), message]));
  }

  close(): void {
    this.#waiting = [];
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const end = this.#rest.indexOf(HEAD_END);
      if (end === -1) return;
      const head = this.#rest.toString('latin1', 0, end);
      const from = end + HEAD_END.length;
      const beyond = from + Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      if (this.#rest.length < beyond) return;
      const body = this.#rest.subarray(from, beyond);
      this.#rest = this.#rest.subarray(beyond);
      this.#waiting.shift()?.({ status: Number(head.slice(9, 12)), head, body });
    }
  }
}
