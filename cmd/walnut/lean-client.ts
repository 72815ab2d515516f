/**
 * A Connect client that does one thing fast: unary calls with protobuf bodies,
 * one at a time, over one kept-alive HTTP/1.1 connection. A replay spends its
 * time here; the stock transport costs several times as much per call.
 *
 * A call fails with a LeanError. After `lost`, nobody knows whether the server
 * carried the call out; the next call connects anew.
 */
import { connect, type Socket } from 'node:net';
import { type DescMethodUnary, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Address } from './arguments.ts';
import { systemCodeOf } from './cli-error.ts';
import { type LeanResponse, LeanResponseReader } from './lean-response.ts';

/** A Connect code (https://connectrpc.com/docs/protocol), or `lost`: no answer came. */
export class LeanError extends Error {
  override readonly name = 'LeanError';
  readonly code: string;
  readonly leaderHint: string | undefined;

  constructor(code: string, message: string, leaderHint?: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.leaderHint = leaderHint;
  }
}

interface Waiting {
  resolve(response: LeanResponse): void;
  reject(error: LeanError): void;
}

const TIMEOUT_MS_DEFAULT = 30_000;

export class LeanClient {
  readonly address: Address;
  readonly #timeoutMs: number;
  readonly #heads = new Map<DescMethodUnary, string>();
  #socket: Socket | undefined;
  #reader = new LeanResponseReader();
  #waiting: Waiting | undefined;

  constructor(address: Address, timeoutMs = TIMEOUT_MS_DEFAULT) {
    this.address = address;
    this.#timeoutMs = timeoutMs;
  }

  /** Only one call at a time: a second one before the answer is a bug and throws. */
  async call<Method extends DescMethodUnary>(
    method: Method,
    request: MessageShape<Method['input']>,
  ): Promise<MessageShape<Method['output']>> {
    if (this.#waiting !== undefined) throw new Error('a call is in flight on this connection');
    const body = toBinary(method.input, request);
    const response = await this.#exchange(this.#frame(method, body));
    if (response.status !== 200) throw toError(response, this.address);
    return fromBinary(method.output, response.body) as MessageShape<Method['output']>;
  }

  /** Fails the call in flight, if any. A later call connects again. */
  close(): void {
    this.#drop(new LeanError('lost', 'connection closed here'));
  }

  #frame(method: DescMethodUnary, body: Uint8Array): Buffer {
    let head = this.#heads.get(method);
    if (head === undefined) {
      head =
        `POST /${method.parent.typeName}/${method.name} HTTP/1.1\r\nhost: ${this.address.text}\r\n` +
        'content-type: application/proto\r\nconnect-protocol-version: 1\r\ncontent-length: ';
      this.#heads.set(method, head);
    }
    const fullHead = `${head}${body.length}\r\n\r\n`;
    const frame = Buffer.allocUnsafe(fullHead.length + body.length);
    frame.write(fullHead, 0, 'latin1');
    frame.set(body, fullHead.length);
    return frame;
  }

  #exchange(frame: Buffer): Promise<LeanResponse> {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#open();
      this.#socket.write(frame);
    });
  }

  /** Writing may begin before the connection stands: the socket keeps it until then. */
  #open(): Socket {
    const socket = connect({ host: this.address.host, port: this.address.port, noDelay: true });
    socket.setTimeout(this.#timeoutMs);
    socket.on('data', (bytes: Buffer) => this.#receive(socket, bytes));
    socket.on('timeout', () => this.#lose(socket, `no answer within ${this.#timeoutMs} ms`));
    socket.on('error', (error) => this.#lose(socket, systemCodeOf(error) ?? error.message, error));
    socket.on('close', () => this.#lose(socket, 'connection closed by the server'));
    return socket;
  }

  #receive(socket: Socket, bytes: Buffer): void {
    if (socket !== this.#socket) return;
    try {
      const response = this.#reader.push(bytes);
      if (response === undefined) return;
      const waiting = this.#waiting;
      if (waiting === undefined) throw new Error('an answer that nobody asked for');
      this.#waiting = undefined;
      if (response.isLast) this.#drop(undefined);
      waiting.resolve(response);
    } catch (error) {
      this.#lose(socket, (error as Error).message, error);
    }
  }

  #lose(socket: Socket, why: string, cause?: unknown): void {
    if (socket !== this.#socket) return;
    this.#drop(new LeanError('lost', `${this.address.text}: ${why}`, undefined, cause));
  }

  #drop(error: LeanError | undefined): void {
    const waiting = this.#waiting;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#reader = new LeanResponseReader();
    this.#waiting = undefined;
    if (error !== undefined) waiting?.reject(error);
  }
}

function toError(response: LeanResponse, address: Address): LeanError {
  const text = Buffer.from(response.body).toString('utf8');
  try {
    const { code, message } = JSON.parse(text) as { code?: unknown; message?: unknown };
    if (typeof code === 'string') return new LeanError(code, String(message ?? ''), response.leaderHint);
  } catch {
    // Not Connect's JSON: a proxy, or no Walnut node at all.
  }
  const code =
    response.status === 503 || response.status === 502 || response.status === 429 ? 'unavailable' : 'unknown';
  return new LeanError(code, `${address.text} answered HTTP ${response.status}`, response.leaderHint);
}
