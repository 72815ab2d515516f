/**
 * Requests as bytes on one connection, answered in order: HTTP/1.1 and redis's
 * protocol, read only as far as telling where an answer ends. A load generator
 * must cost less than what it loads.
 */
import { connect, type Socket } from 'node:net';

/** Bytes of the first answer, 0 where it is not whole yet. */
export type Cut = (bytes: Buffer) => number;

const HEAD_END = Buffer.from('\r\n\r\n');
const LINE_END = Buffer.from('\r\n');

export function cutHttp(bytes: Buffer): number {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return 0;
  const head = bytes.toString('latin1', 0, end);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`an answer without a length: ${head}`);
  const total = end + HEAD_END.length + Number(length);
  return total <= bytes.length ? total : 0;
}

export function cutRedis(bytes: Buffer): number {
  return cutRedisAt(bytes, 0);
}

function cutRedisAt(bytes: Buffer, from: number): number {
  const end = bytes.indexOf(LINE_END, from);
  if (end === -1) return 0;
  const kind = String.fromCharCode(bytes[from] as number);
  const line = bytes.toString('latin1', from + 1, end);
  const next = end + LINE_END.length;
  if (kind === '-') throw new Error(`redis answered ${line}`);
  if (kind === '$') {
    const total = Number(line) < 0 ? next : next + Number(line) + LINE_END.length;
    return total <= bytes.length ? total : 0;
  }
  if (kind !== '*') return next;
  let at = next;
  for (let i = 0; i < Number(line); i++) {
    at = cutRedisAt(bytes, at);
    if (at === 0) return 0;
  }
  return at;
}

export class Pipe {
  readonly #socket: Socket;
  readonly #cut: Cut;
  #waiting: ((answer: Buffer) => void)[] = [];
  #at = 0;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket, cut: Cut) {
    this.#socket = socket;
    this.#cut = cut;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#waiting.length > this.#at) throw new Error('the server closed the connection');
    });
  }

  static open(port: number, cut: Cut): Promise<Pipe> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: '127.0.0.1', port, noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Pipe(socket, cut));
      });
    });
  }

  /** `onAnswer` must not keep the bytes. */
  send(request: Uint8Array | string, onAnswer: (answer: Buffer) => void): void {
    this.#waiting.push(onAnswer);
    this.#socket.write(request);
  }

  ask(request: Uint8Array | string): Promise<Buffer> {
    return new Promise((resolve) => this.send(request, resolve));
  }

  close(): void {
    this.#waiting = [];
    this.#at = 0;
    this.#socket.destroy();
  }

  #take(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    for (;;) {
      const length = rest.length === 0 ? 0 : this.#cut(rest);
      if (length === 0) break;
      this.#next()(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
    this.#rest = rest;
  }

  /** A cursor, since shifting a long array costs its length. */
  #next(): (answer: Buffer) => void {
    const first = this.#waiting[this.#at++];
    if (first === undefined) throw new Error('an answer that nobody asked for');
    if (this.#at === this.#waiting.length) {
      this.#waiting = [];
      this.#at = 0;
    }
    return first;
  }
}
