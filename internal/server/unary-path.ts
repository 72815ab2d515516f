/**
 * The direct way for the common call: a Connect unary POST, protobuf or JSON,
 * uncompressed, of known and modest length, without a deadline header. It goes
 * straight from Node's request to the implementation and back, with what the
 * adapter would do for it: gate, limits, strict parsing, error details, metrics.
 * Everything else is handed to the adapter untouched, and nothing here knows
 * what the methods mean.
 */
import {
  create,
  type DescMessage,
  fromBinary,
  fromJsonString,
  type JsonReadOptions,
  type MessageShape,
  toBinary,
  toJsonString,
} from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import { codeToHttpStatus, errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import type { Clock } from '#platform/clock.ts';
import type { BodyBudget, BodyReservation } from '#server/body-budget.ts';
import { codeName, type ErrorMapper } from '#server/error-mapping.ts';
import { type HttpRequest, type HttpResponse, isAwaitingContinue, isHttp2 } from '#server/http-io.ts';
import { plainAddress } from '#server/protected-mode.ts';
import { contextValuesOf, type RpcCall } from '#server/rpc-call.ts';
import type { UnaryContext, UnaryRoute } from '#server/rpc-routes.ts';

export interface UnaryPathOptions {
  readonly clock: Clock;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly routes: ReadonlyMap<string, UnaryRoute>;
  /** Throws a ConnectError to refuse a call before its body is read. */
  readonly gate: (method: UnaryRoute['method'], call: RpcCall) => void;
  readonly strictJson: Partial<JsonReadOptions>;
  readonly observe: (path: string, code: string, durationMs: number) => void;
}

/** True: the request is being answered. False: it is not of the common kind, and nothing was touched. */
export type UnaryPath = (request: HttpRequest, response: HttpResponse, path: string) => boolean;

const PROTO = 'application/proto';
const JSON_TYPE = 'application/json';
/** Larger bodies are the adapter's. */
const BODY_BYTES_MAX = 65_536;
/** Over HTTP/1.1 a body given as text joins the headers in one buffer and one write; copying pays up to about this. */
const ONE_WRITE_BYTES_MAX = 16_384;
/** Headers that ask for more than this path does. */
const HANDED_OVER = ['content-encoding', 'connect-timeout-ms', 'transfer-encoding', 'expect'] as const;

/** The call under way, from headers to answer. */
interface Exchange {
  readonly options: UnaryPathOptions;
  readonly request: HttpRequest;
  readonly response: HttpResponse;
  readonly path: string;
  readonly route: UnaryRoute;
  readonly isBinary: boolean;
  readonly startedMs: number;
  readonly call: RpcCall;
}

export function createUnaryPath(options: UnaryPathOptions): UnaryPath {
  return (request, response, path) => {
    const route = options.routes.get(path);
    if (route === undefined || request.method !== 'POST') return false;
    const type = request.headers['content-type'];
    if (type !== PROTO && type !== JSON_TYPE) return false;
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    if (!(length <= BODY_BYTES_MAX && length <= route.readMaxBytes) || isSpecial(request)) return false;
    const call: RpcCall = { remoteAddress: plainAddress(request.socket.remoteAddress), code: undefined };
    const startedMs = options.clock.monotonicMs();
    const exchange: Exchange = {
      options,
      request,
      response,
      path,
      route,
      isBinary: type === PROTO,
      startedMs,
      call,
    };
    try {
      options.gate(route.method, call);
    } catch (error) {
      request.resume();
      sendFailure(exchange, error);
      return true;
    }
    readBody(exchange, length);
    return true;
  };
}

function isSpecial(request: HttpRequest): boolean {
  const { headers } = request;
  for (const name of HANDED_OVER) if (headers[name] !== undefined) return true;
  const version = headers['connect-protocol-version'];
  const authority = headers[':authority'] ?? headers.host;
  return (
    (version !== undefined && version !== '1') || !isPlainAuthority(authority) || isAwaitingContinue(request)
  );
}

/** What the adapter would refuse, it shall refuse itself. */
function isPlainAuthority(authority: string | string[] | undefined): boolean {
  const port = typeof authority === 'string' ? /^[\w.-]+(?::(\d{1,5}))?$/.exec(authority) : null;
  return port !== null && Number(port[1] ?? 0) <= 65_535;
}

function readBody(exchange: Exchange, length: number): void {
  const { request, response, options } = exchange;
  let first: Uint8Array | undefined;
  let rest: Uint8Array[] | undefined;
  let received = 0;
  let reservation: BodyReservation | undefined;
  let isRefused = false;
  request.on('data', (chunk: Uint8Array) => {
    if (isRefused) return;
    received += chunk.length;
    if (first === undefined) first = chunk;
    else {
      rest ??= [first];
      rest.push(chunk);
    }
    // A body that came in one piece is not held; one that is waited for counts whole.
    if (received >= length || reservation !== undefined) return;
    reservation = options.budget.reserve();
    response.once('close', reservation.release);
    try {
      reservation.add(length);
    } catch (error) {
      isRefused = true;
      sendFailure(exchange, error);
    }
  });
  request.on('end', () => {
    if (isRefused) return;
    // HTTP/1.1 parsers see to this; an HTTP/2 peer could send more or less than it said.
    if (received !== length) {
      sendFailure(
        exchange,
        new ConnectError(`the body has ${received} bytes, not ${length}`, Code.InvalidArgument),
      );
      return;
    }
    invoke(exchange, rest === undefined ? (first ?? EMPTY) : Buffer.concat(rest));
  });
}

const EMPTY = new Uint8Array(0);

function invoke(exchange: Exchange, body: Uint8Array): void {
  const { route } = exchange;
  const context = new LazyContext(exchange.response, exchange.call);
  try {
    const message = parse(exchange, body);
    const answer = route.impl(message, context);
    // Only what has to wait pays for waiting.
    if (answer instanceof Promise) {
      answer.then(
        (settled) => trySend(exchange, settled),
        (error: unknown) => sendFailure(exchange, error, context),
      );
    } else {
      sendAnswer(exchange, answer);
    }
  } catch (error) {
    sendFailure(exchange, error, context);
  }
}

function parse(exchange: Exchange, body: Uint8Array): MessageShape<DescMessage> {
  const { input } = exchange.route.method;
  try {
    if (exchange.isBinary) return fromBinary(input, body);
    const { strictJson } = exchange.options;
    return fromJsonString(input, UTF8.decode(body), strictJson);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new ConnectError(exchange.isBinary ? `parse binary: ${what}` : what, Code.InvalidArgument);
  }
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The signal costs more than most calls, so it is made when first asked for. */
class LazyContext implements UnaryContext {
  readonly hasDeadline = false;
  readonly values: UnaryContext['values'];
  readonly #response: HttpResponse;
  #abort: AbortController | undefined;

  constructor(response: HttpResponse, call: RpcCall) {
    this.#response = response;
    this.values = contextValuesOf(call);
  }

  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController();
      this.#abort = abort;
      this.#response.once('close', () => {
        if (!this.#response.writableEnded)
          abort.abort(new ConnectError('the caller went away', Code.Canceled));
      });
    }
    return this.#abort.signal;
  }

  get madeSignal(): AbortSignal | undefined {
    return this.#abort?.signal;
  }
}

type Answer = Awaited<ReturnType<UnaryRoute['impl']>>;

function trySend(exchange: Exchange, answer: Answer): void {
  try {
    sendAnswer(exchange, answer);
  } catch (error) {
    sendFailure(exchange, error);
  }
}

function sendAnswer(exchange: Exchange, answer: Answer): void {
  const { output } = exchange.route.method;
  const message = ('$typeName' in answer ? answer : create(output, answer)) as MessageShape<DescMessage>;
  const body = exchange.isBinary ? toBinary(output, message) : Buffer.from(toJsonString(output, message));
  send(exchange, 200, exchange.isBinary ? PROTO : JSON_TYPE, body);
  observe(exchange, 'ok');
}

function sendFailure(exchange: Exchange, error: unknown, context?: LazyContext): void {
  const mapped = exchange.options.errors.toConnectError(error, context?.madeSignal);
  const { response } = exchange;
  if (!response.headersSent && !response.destroyed) {
    for (const [name, value] of mapped.metadata) response.setHeader(name, value);
  }
  send(exchange, codeToHttpStatus(mapped.code), JSON_TYPE, errorToJsonBytes(mapped, undefined));
  observe(exchange, codeName(mapped.code));
}

function send({ request, response }: Exchange, status: number, type: string, body: Uint8Array): void {
  if (response.headersSent || response.destroyed) return;
  response.statusCode = status;
  response.setHeader('content-type', type);
  response.setHeader('content-length', body.length);
  if (body.length > ONE_WRITE_BYTES_MAX || isHttp2(request)) response.end(body);
  else response.end(Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1'), 'latin1');
}

function observe({ options, path, startedMs }: Exchange, code: string): void {
  options.observe(path, code, options.clock.monotonicMs() - startedMs);
}
