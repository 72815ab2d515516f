/** The few things every plain HTTP route does, the same over HTTP/1.1 and HTTP/2. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { Socket } from 'node:net';
import { weightOf } from '#rpc/accept.ts';
import type { BodySink } from '#rpc/body-sink.ts';
import { encodeGrpcMessage } from '#rpc/grpc-message.ts';
import { CodecRequest, type CodecResponse } from '#rpc/http2/codec-request.ts';
import type { HttpError } from '#wire/error-codec.ts';
import { WIRE_CODES } from '#wire/error-codes.ts';

/** A request of Node's servers, or of the driver of our own codec. */
export type HttpRequest = IncomingMessage | Http2ServerRequest | CodecRequest;
export type HttpResponse = ServerResponse | Http2ServerResponse | CodecResponse;
export type Headers = Readonly<Record<string, string | number>>;

/** Path and query as they came, of origin form and absolute form alike. */
export function splitUrl(url: string): { readonly path: string; readonly query: string } {
  const start = url.startsWith('/') ? 0 : pathStart(url);
  const mark = url.indexOf('?', start);
  if (mark === -1) return { path: url.slice(start), query: '' };
  return { path: url.slice(start, mark), query: url.slice(mark + 1) };
}

/** Proxies send `http://host/path`; anything else without a leading slash stays as it is. */
function pathStart(url: string): number {
  const scheme = url.indexOf('://');
  if (scheme === -1) return 0;
  const slash = url.indexOf('/', scheme + 3);
  return slash === -1 ? url.length : slash;
}

/** The connection of the request; undefined where it shares that with others, as over HTTP/2. */
export function ownConnection({ httpVersion, socket }: HttpRequest): Socket | undefined {
  return httpVersion === '2.0' ? undefined : (socket as Socket);
}

/** True for a request that Node's server of HTTP/1.1 made. */
export function isNodeHttp1(request: HttpRequest): request is IncomingMessage {
  return !('stream' in request);
}

export function isNodeHttp2(request: HttpRequest): request is Http2ServerRequest {
  return 'stream' in request && !('isOfCodec' in request);
}

/** True unless Node's HTTP/1.1 server made the response. */
export function hasStream(response: HttpResponse): response is Http2ServerResponse | CodecResponse {
  return 'stream' in response;
}

export function isNodeHttp2Response(response: HttpResponse): response is Http2ServerResponse {
  return hasStream(response) && !('isOfCodec' in response);
}

/** True if the peer has gone, so that nothing can be sent any more. */
export function isOver(response: HttpResponse): boolean {
  if (!hasStream(response)) return response.destroyed;
  // Node takes the stream away from a response that was closed.
  const { stream } = response;
  return stream === undefined || stream.destroyed || stream.closed;
}

/** HTTP/1.1 requests whose sender waits to be told that the body is wanted. */
const awaitingContinue = new WeakMap<HttpRequest, ServerResponse>();

/** `Expect: 100-continue`: the sender is told to go on when the body is read, and never if it is not. */
export function deferContinue(request: IncomingMessage, response: ServerResponse): void {
  awaitingContinue.set(request, response);
  // After a refusal the sender may or may not send its body: nothing can follow on that connection.
  response.setHeader('connection', 'close');
}

/** The body is about to be read: a sender that waits to be told so is told. */
export function askForBody(request: HttpRequest): void {
  const waiting = awaitingContinue.get(request);
  if (waiting === undefined) return;
  awaitingContinue.delete(request);
  waiting.removeHeader('connection');
  waiting.writeContinue();
}

/**
 * The body's chunks. Leaving off early does not destroy the connection that the
 * answer needs; what is left is thrown away, or nothing behind it could be read.
 */
export async function* bodyOf(request: HttpRequest): AsyncIterable<Uint8Array> {
  askForBody(request);
  try {
    yield* request.iterator({ destroyOnReturn: false });
  } finally {
    if (!request.destroyed) request.resume();
  }
}

/**
 * Gives the body's chunks to `onChunk` as they arrive, each valid until that returns;
 * resolves at its end. Rejects with what `onChunk` throws, after which the rest is thrown
 * away, or if the body ends early. For small bodies this takes a fraction of the time of
 * `bodyOf`.
 */
export function receiveBody(request: HttpRequest, onChunk: (chunk: Uint8Array) => void): Promise<void> {
  // Its caller has gone, as while a password was checked, and it says so no more.
  if (request.destroyed) return Promise.reject(endedEarly());
  if (request instanceof CodecRequest) {
    const receiver = new BodyReceiver(onChunk);
    if (request.tryRead(receiver)) return receiver.received;
  }
  askForBody(request);
  return new Promise((resolve, reject) => {
    const settle = (error: unknown): void => {
      // A stream may go on for long after its body, and what listens to that would stay.
      request.off('data', take);
      request.off('end', onEnd);
      request.off('close', onClose);
      if (error === undefined) resolve();
      else reject(error);
    };
    const take = (chunk: Buffer): void => {
      try {
        onChunk(chunk);
        if (isNodeHttp1(request)) giveBack(chunk);
      } catch (error) {
        settle(error);
        request.resume();
      }
    };
    const onEnd = (): void => {
      // Node ends the body of a stream that was reset, or lost its connection, as it ends a whole one.
      const isWhole = !(isNodeHttp2(request) && request.stream.aborted);
      settle(isWhole ? undefined : endedEarly());
    };
    const onClose = (): void => settle(endedEarly());
    request.on('data', take);
    request.on('end', onEnd);
    request.on('close', onClose);
    request.on('error', reject);
  });
}

/**
 * Frees a chunk that nobody has any more. Node's parser makes a buffer for each, and those of a large
 * body take as much memory as the body before they are collected.
 */
function giveBack({ buffer, length }: Buffer): void {
  if (length === buffer.byteLength) (buffer as ArrayBuffer).transfer(0);
}

/** A body on its way past the stream of its request. */
class BodyReceiver implements BodySink {
  readonly #received = Promise.withResolvers<void>();
  /** Undefined once it has thrown. */
  #onChunk: ((chunk: Uint8Array) => void) | undefined;

  constructor(onChunk: (chunk: Uint8Array) => void) {
    this.#onChunk = onChunk;
  }

  get received(): Promise<void> {
    return this.#received.promise;
  }

  onChunk(chunk: Uint8Array): void {
    try {
      this.#onChunk?.(chunk);
    } catch (error) {
      this.#onChunk = undefined;
      this.#received.reject(error);
    }
  }

  onEnd(isWhole: boolean): void {
    this.#onChunk = undefined;
    if (isWhole) this.#received.resolve();
    else this.#received.reject(endedEarly());
  }
}

function endedEarly(): Error {
  return new Error('the request body ended early');
}

/** Headers that are set already are replaced, except Vary, which is a list. */
export function setHeaders(response: HttpResponse, headers: Headers): void {
  for (const [name, value] of Object.entries(headers)) {
    const before = name === 'vary' ? response.getHeader(name) : undefined;
    response.setHeader(name, before === undefined ? value : `${before}, ${value}`);
  }
}

/** Answers once; HEAD gets the headers of the answer and no body. */
export function send(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  headers: Headers,
  body: Uint8Array | string,
): void {
  if (isOver(response) || response.headersSent) return;
  const bytes = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
  const hasNoContent = status === 204 || status === 304;
  response.statusCode = status;
  setHeaders(response, headers);
  if (!hasNoContent) response.setHeader('content-length', bytes.length);
  if (hasNoContent || request.method === 'HEAD') response.end();
  else response.end(bytes);
}

export function sendText(request: HttpRequest, response: HttpResponse, status: number, text: string): void {
  send(
    request,
    response,
    status,
    { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' },
    text,
  );
}

/** Errors of rpcs have the shape of the Connect protocol's: `{"code":…,"message":…}`. */
export function sendError(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  error: { readonly code: string; readonly message: string },
  headers: Headers = {},
): void {
  const body = JSON.stringify({ code: error.code, message: error.message });
  send(request, response, status, { 'content-type': 'application/json', ...headers }, body);
}

export interface Problem {
  readonly code: string;
  readonly message: string;
  /** See `ErrorDetails.nothingDone`. */
  readonly nothingDone?: true | undefined;
}

/**
 * Errors of plain routes are problems of RFC 9457, with the fields of the Connect protocol
 * beside. They have the type `application/json` where the caller accepts that by name and
 * would rather have it than problems.
 */
export function sendProblem(
  request: HttpRequest,
  response: HttpResponse,
  status: number,
  { code, message, nothingDone }: Problem,
  headers: Headers = {},
): void {
  // 499, for a caller that gave up, is in no list.
  const title = STATUS_CODES[status] ?? 'Client Closed Request';
  const body = JSON.stringify({
    type: 'about:blank',
    title,
    status,
    detail: message,
    code,
    message,
    nothingDone,
  });
  send(request, response, status, { 'content-type': problemType(request.headers.accept), ...headers }, body);
}

function problemType(accept: string | undefined): string {
  const problem = 'application/problem+json';
  const isPlain = weightOf(accept, 'application/json') > weightOf(accept, problem);
  return isPlain ? 'application/json' : problem;
}

/** A call that is refused before anything is known of it but its headers: in the caller's protocol, as its content type tells. */
export function sendRpcError(
  request: HttpRequest,
  response: HttpResponse,
  { httpStatus, code, message, headers }: HttpError,
): void {
  const contentType = request.headers['content-type'] ?? '';
  if (!contentType.startsWith('application/grpc')) {
    sendError(request, response, httpStatus, { code, message }, headers);
    return;
  }
  // Trailers-only: status and message stand in the headers of an answer without a body.
  response.statusCode = 200;
  response.setHeader('content-type', contentType);
  response.setHeader('grpc-status', String(WIRE_CODES[code]));
  response.setHeader('grpc-message', encodeGrpcMessage(message));
  response.end();
}

export function sendMethodNotAllowed(request: HttpRequest, response: HttpResponse, allowed: string): void {
  const message = methodNotAllowed(request.method, allowed);
  sendProblem(request, response, 405, { code: 'unimplemented', message }, { allow: allowed });
}

export function methodNotAllowed(method: string | undefined, allowed: string): string {
  return `method ${method} is not allowed here: expected ${allowed}`;
}
