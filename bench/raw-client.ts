/**
 * HTTP/1.1 by hand, pipelined: a load generator must cost less than what it
 * loads. Knows just enough of HTTP to read this server's answers.
 */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** The status line and the headers. */
  readonly head: string;
}

const HEAD_END = Buffer.from('\r\n\r\n');

export class RawClient {
  readonly #socket: Socket;
  readonly #host: string;
  #waiting: ((answer: RawAnswer) => void)[] = [];
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of a body still to be skipped. */
  #skipBytes = 0;
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

  put(path: string, body: string, onAnswer: (answer: RawAnswer) => void): void {
    this.#waiting.push(onAnswer);
    this.#socket.write(
      `PUT ${path} HTTP/1.1\r\nhost: ${this.#host}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
  }

  close(): void {
    this.#waiting = [];
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const skipped = Math.min(this.#skipBytes, this.#rest.length);
      this.#skipBytes -= skipped;
      this.#rest = this.#rest.subarray(skipped);
      if (this.#skipBytes > 0) return;
      const end = this.#rest.indexOf(HEAD_END);
      if (end === -1) return;
      const head = this.#rest.toString('latin1', 0, end);
      this.#rest = this.#rest.subarray(end + HEAD_END.length);
      this.#skipBytes = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
      this.#waiting.shift()?.({ status: Number(head.slice(9, 12)), head });
    }
  }
}
