/**
 * A Connect client for unary calls with protobuf bodies, and for pages, one at a time, over
 * one kept-alive HTTP/1.1 connection. It exists for speed: the stock transport costs several times as much
 * per call, which a replay would notice, and loading it takes longer than a single command.
 *
 * A call fails with a CallError. After `lost` it is unknown whether the server carried the
 * call out. The next call connects again.
 */
import type { Socket } from 'node:net';
import { type DescMethodUnary, fromBinary, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Endpoint, pathOf, UNARY_HEADERS } from '#dial/endpoint.ts';
import { openSocket } from '#dial/open-socket.ts';
import { whyLost } from '#dial/why-lost.ts';
import { WIRE_CODES } from '#wire/error-codes.ts';
import { CallError, systemCodeOf } from './call-error.ts';
import { type LeanResponse, LeanResponseReader } from './lean-response.ts';

interface Waiting {
  resolve(response: LeanResponse): void;
  reject(error: CallError): void;
}

/** A socket of Node's tls, which has this member although its types lack it. */
interface Handshaking {
  readonly secureConnecting: boolean;
}

const TIMEOUT_MS_DEFAULT = 30_000;
const HEADER_LINES = Object.entries(UNARY_HEADERS)
  .map(([name, value]) => `${name}: ${value}\r\n`)
  .join('');

function authorizationLine({ authorization }: Endpoint): string {
  return authorization === undefined ? '' : `authorization: ${authorization()}\r\n`;
}

export class LeanClient {
  readonly address: Endpoint;
  readonly #timeoutMsDefault: number;
  /** Time limit of the call in flight. */
  #timeoutMs: number;
  readonly #heads = new Map<DescMethodUnary, string>();
  #isResting = false;
  #socket: Socket | undefined;
  #reader = new LeanResponseReader();
  #waiting: Waiting | undefined;

  constructor(address: Endpoint, timeoutMs = TIMEOUT_MS_DEFAULT) {
    this.address = address;
    this.#timeoutMsDefault = timeoutMs;
    this.#timeoutMs = timeoutMs;
  }

  /** Makes one call. A second call before the answer is a bug and throws. */
  async call<Method extends DescMethodUnary>(
    method: Method,
    request: MessageShape<Method['input']>,
    timeoutMs = this.#timeoutMsDefault,
  ): Promise<MessageShape<Method['output']>> {
    if (timeoutMs !== this.#timeoutMs) {
      this.#timeoutMs = timeoutMs;
      this.#socket?.setTimeout(timeoutMs);
    }
    const body = toBinary(method.input, request);
    const response = await this.#exchange(this.#frame(method, body));
    if (response.status !== 200 || response.contentType !== UNARY_HEADERS['content-type'])
      throw toError(response);
    try {
      return fromBinary(method.output, response.body) as MessageShape<Method['output']>;
    } catch (error) {
      throw new CallError('internal', `an answer that cannot be decoded: ${(error as Error).message}`);
    }
  }

  /** Gets a page of the node, such as `/metrics`, as text. */
  async page(path: string): Promise<string> {
    const head = `GET ${path} HTTP/1.1\r\nhost: ${this.address.text}\r\n${authorizationLine(this.address)}\r\n`;
    const response = await this.#exchange(Buffer.from(head, 'latin1'));
    if (response.status !== 200) throw toError(response);
    return Buffer.from(response.body).toString('utf8');
  }

  /** The connection is kept for a later call, but does not keep the process running. */
  rest(): void {
    this.#isResting = true;
    this.#socket?.unref();
  }

  /** False until a connection stands: no part of a call has left this machine before. */
  get isConnected(): boolean {
    const socket = this.#socket;
    return socket !== undefined && !socket.connecting && !(socket as Partial<Handshaking>).secureConnecting;
  }

  /** Fails the call in flight, if any. A later call connects again. */
  close(): void {
    this.#drop(new CallError('lost', 'connection closed here'));
  }

  #frame(method: DescMethodUnary, body: Uint8Array): Buffer {
    let head = this.#heads.get(method);
    if (head === undefined) {
      head =
        `POST ${pathOf(method)} HTTP/1.1\r\nhost: ${this.address.text}\r\n` +
        `${HEADER_LINES}${authorizationLine(this.address)}content-length: `;
      this.#heads.set(method, head);
    }
    const fullHead = `${head}${body.length}\r\n\r\n`;
    const frame = Buffer.allocUnsafe(fullHead.length + body.length);
    frame.write(fullHead, 0, 'latin1');
    frame.set(body, fullHead.length);
    return frame;
  }

  #exchange(frame: Buffer): Promise<LeanResponse> {
    if (this.#waiting !== undefined) throw new Error('a call is in flight on this connection');
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket ??= this.#open();
      if (this.#isResting) {
        this.#isResting = false;
        this.#socket.ref();
      }
      this.#socket.write(frame);
    });
  }

  /** Writes may begin before the connection is established: the socket buffers them. */
  #open(): Socket {
    const socket = openSocket(this.address, 'http/1.1');
    socket.setTimeout(this.#timeoutMs);
    socket.on('data', (bytes: Buffer) => this.#receive(socket, bytes));
    socket.on('timeout', () => this.#lose(socket, `no answer within ${this.#timeoutMs} ms`));
    socket.on('error', (error) => this.#lose(socket, systemCodeOf(error) ?? whyLost(error), error));
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
    this.#drop(new CallError('lost', `no answer from ${this.address.text} (${why})`, undefined, cause));
  }

  #drop(error: CallError | undefined): void {
    const waiting = this.#waiting;
    this.#socket?.destroy();
    this.#socket = undefined;
    this.#reader = new LeanResponseReader();
    this.#waiting = undefined;
    if (error !== undefined) waiting?.reject(error);
  }
}

function toError(response: LeanResponse): CallError {
  const { status, contentType, body } = response;
  try {
    const { code, message } = JSON.parse(Buffer.from(body).toString('utf8')) as Record<string, unknown>;
    if (status !== 200 && typeof code === 'string' && Object.hasOwn(WIRE_CODES, code))
      return new CallError(code, typeof message === 'string' ? message : '', response);
  } catch {
    // The body is not Connect's JSON: a proxy answered, or something that is not a Walnut
    // node.
  }
  const type = contentType === '' ? '' : ` with ${contentType}`;
  return new CallError(codeOfStatus(status), `HTTP ${status}${type}: is it a Walnut node?`, response);
}

/** https://connectrpc.com/docs/protocol, "HTTP to error code". */
function codeOfStatus(status: number): string {
  switch (status) {
    case 200:
    case 400:
      return 'internal';
    case 401:
      return 'unauthenticated';
    case 403:
      return 'permission_denied';
    case 404:
      return 'unimplemented';
    case 429:
    case 502:
    case 503:
    case 504:
      return 'unavailable';
    default:
      return 'unknown';
  }
}
