/**
 * Connect, gRPC and gRPC-Web on Node's HTTP servers.
 *
 * This is connect-node's adapter with the edges made safe: a request that its
 * conversion refuses (no Host, an ill-formed one) is answered instead of thrown
 * out of the request listener, bodies count against a budget and have a
 * deadline, unknown rpcs are answered by name, and every outcome is measured.
 */
import { IncomingMessage, type ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { Code, ConnectError, createConnectRouter, type Interceptor } from '@connectrpc/connect';
import type {
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { universalRequestFromNodeRequest } from '@connectrpc/connect-node';
import type { Operation } from '#model/access.ts';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { SlicePace } from '#platform/slices.ts';
import type { BoundAnswer } from '#rpc/answer-pace.ts';
import type { BodyBudget, BodyReservation } from '#rpc/body-budget.ts';
import type { BodyDeadlines } from '#rpc/body-deadlines.ts';
import type { ObserveCall } from '#rpc/call-observer.ts';
import { settleEarlyFailure } from '#rpc/early-failure.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import type { GzipCompression } from '#rpc/gzip-compression.ts';
import { bodyOf, type HttpRequest, type HttpResponse, sendError, sendText } from '#rpc/http-io.ts';
import { callOf, contextValuesOf, type RpcCall } from '#rpc/rpc-call.ts';
import { RpcRoutes, type StreamRoute, type UnaryRoute } from '#rpc/rpc-routes.ts';
import type { SlowLog } from '#rpc/slow-log.ts';
import { sendStream } from '#rpc/stream-answer.ts';
import { StreamCall } from '#rpc/streams/stream-call.ts';
import { streamShapeOf } from '#rpc/streams/stream-shape.ts';
import { whyUnreadable } from '#rpc/unary/get-query.ts';
import { BINARY_READING, type JsonOptions } from '#rpc/unary/message-codec.ts';
import { createUnaryPath, type UnaryPath } from '#rpc/unary/unary-path.ts';
import { hasOwnDetails } from '#rpc/undecodable.ts';
import { sendUnknownRpc } from '#rpc/unknown-rpc.ts';
import { codeName } from '#wire/error-reader.ts';

export interface RpcAdapterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly deadlines: BodyDeadlines;
  readonly slices: SlicePace;
  readonly compression: GzipCompression;
  /** Unary answers, and messages of streams, of this many bytes are compressed where the caller takes it. */
  readonly compressMinBytes: number;
  readonly jsonOptions: JsonOptions;
  readonly interceptor: Interceptor;
  readonly register: (routes: RpcRoutes) => void;
  /** For tests: false makes connect-node serve everything, with messages of any size. */
  readonly isDirect?: boolean;
  readonly shutdownSignal: AbortSignal;
  /** Called once per rpc, with its path, the Connect code (`ok` included) and its time. */
  readonly observe: ObserveCall;
  readonly slowLog: SlowLog;
  readonly boundAnswer: BoundAnswer;
  /** An answer was cut off because its peer read nothing. */
  readonly onStalled: () => void;
}

/** One rpc by its path. */
export interface RpcRoute {
  readonly operation: Operation;
  /** Undefined: a stream. */
  readonly unary: UnaryRoute | undefined;
  /** Undefined: a unary rpc, or one whose caller streams too. */
  readonly stream: StreamRoute | undefined;
  readonly handler: UniversalHandler;
}

export interface RpcAdapter {
  /** `/package.Service/Method`; undefined where there is no such rpc. */
  find(path: string): RpcRoute | undefined;
  /** Answers the request, or says why the call is refused. A promise resolves when nothing works for it any more. */
  serve(
    route: RpcRoute,
    call: RpcCall,
    request: HttpRequest,
    response: HttpResponse,
    query: string,
  ): void | Promise<void>;
  /** Like `serve`, if the unary path takes the HTTP/2 stream; false if the call must come as a request. */
  tryStream(
    route: RpcRoute,
    call: RpcCall,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    query: string,
  ): boolean;
  readonly unaryPath: UnaryPath;
  /** True if the path has the form of an rpc. */
  isUnknown(path: string): boolean;
  /** Answers by naming those that there are. */
  serveUnknown(request: HttpRequest, response: HttpResponse, path: string): void;
}

/** `/package.Service/Method`, with a package: no other route of the server has a dot there. */
const RPC_PATH = /^\/[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\/[^/]*$/;
/**
 * Unknown fields are errors, and so are bytes that are no UTF-8: the default
 * decoder would replace them, and two different keys could become one.
 */
export const STRICT_JSON: JsonOptions = {
  ignoreUnknownFields: false,
  textDecoder: new TextDecoder('utf-8', { fatal: true }),
};
const REFLECTION_ALPHA = '/grpc.reflection.v1alpha.ServerReflection/';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/';

export function createRpcAdapter(options: RpcAdapterOptions): RpcAdapter {
  const router = createConnectRouter({
    acceptCompression: [options.compression],
    compressMinBytes: options.compressMinBytes,
    jsonOptions: options.jsonOptions,
    binaryOptions: BINARY_READING,
    interceptors: [options.interceptor],
    requestGate: ({ values }) => throwRefusal(callOf(values), options.errors),
    shutdownSignal: options.shutdownSignal,
  });
  const { isDirect = true } = options;
  const routes = new RpcRoutes(router, isDirect ? undefined : Number.POSITIVE_INFINITY);
  options.register(routes);
  const byPath = new Map<string, RpcRoute>();
  for (const handler of router.handlers) {
    const { requestPath: path } = handler;
    const unary = isDirect ? routes.unaryRoutes.get(path) : undefined;
    const stream = isDirect ? routes.streamRoutes.get(path) : undefined;
    byPath.set(path, { operation: routes.operations.get(path) as Operation, unary, stream, handler });
  }
  const knownPaths = [...byPath.keys()];
  const unaryPath = createUnaryPath(options);

  return {
    find: (path) =>
      byPath.get(path.startsWith(REFLECTION_ALPHA) ? REFLECTION + path.slice(REFLECTION_ALPHA.length) : path),
    tryStream: ({ unary }, call, stream, headers, query) =>
      unary !== undefined && unaryPath.takeStream(unary, call, stream, headers, query),
    serve: (route, call, request, response, query) => {
      const { unary, stream, handler } = route;
      const isTaken =
        unary !== undefined &&
        request instanceof IncomingMessage &&
        unaryPath.takeRequest(unary, call, request, response as ServerResponse, query);
      if (isTaken) return undefined;
      const shape = stream && streamShapeOf(request);
      if (stream !== undefined && shape !== undefined)
        return new StreamCall(options, stream, shape, call, request, response).run();
      const isRead = request.method === 'GET' && methodsOf(handler).includes('GET');
      const why = isRead ? whyUnreadable(query) : undefined;
      return serve(options, route, call, request, response, why);
    },
    unaryPath,
    isUnknown: (path) => RPC_PATH.test(path),
    serveUnknown: (request, response, path) => {
      sendUnknownRpc(request, response, path, knownPaths);
      options.observe('unknown', 'unimplemented', 0);
    },
  };
}

/** Before the body is read. */
function throwRefusal(call: RpcCall, errors: ErrorMapper): void {
  if (call.refusal === undefined) return;
  const refusal = errors.toConnectError(call.refusal);
  call.code = codeName(refusal.code);
  throw refusal;
}

function serve(
  options: RpcAdapterOptions,
  route: RpcRoute,
  call: RpcCall,
  request: HttpRequest,
  response: HttpResponse,
  wrong: string | undefined,
): void | Promise<void> {
  const { operation, handler } = route;
  const startedMs = options.clock.monotonicMs();
  const observe = (code: string): void => {
    const durationMs = options.clock.monotonicMs() - startedMs;
    options.observe(operation.name, code, durationMs);
    call.onEnd?.(code);
    if (handler.method.methodKind === 'unary' && options.slowLog.isSlow(operation, durationMs))
      options.slowLog.note({ call, operation: operation.name, code, durationMs, key: () => undefined });
  };
  const refuse = (message: string): void => {
    sendError(request, response, 400, { code: 'invalid_argument', message });
    observe('invalid_argument');
  };
  if (wrong !== undefined) return refuse(wrong);
  if (!methodsOf(handler).includes(request.method ?? '')) {
    sendRefusal(request, response, handler, 405);
    return observe('unimplemented');
  }
  const reservation = options.budget.reserve(call);
  response.once('close', reservation.release);
  const universal = tryConvert(request, response, call, reservation, options.errors);
  if (universal === undefined) return refuse('the Host header or the path is missing or ill-formed');
  return answer(options, route, universal, call, request, response, observe).catch((error: unknown) => {
    // The handlers catch what the implementations throw; this is the protocol layer itself.
    const { code, rawMessage } = options.errors.toConnectError(error, universal.signal);
    observe(codeName(code));
    sendError(request, response, 400, { code: codeName(code), message: rawMessage });
  });
}

async function answer(
  options: RpcAdapterOptions,
  { handler, unary }: RpcRoute,
  universal: UniversalServerRequest,
  call: RpcCall,
  request: HttpRequest,
  response: HttpResponse,
  observe: (code: string) => void,
): Promise<void> {
  let given = await handler(universal);
  if (isRefusal(given)) {
    sendRefusal(request, response, handler, given.status);
    return observe('unimplemented');
  }
  if (handler.method.methodKind !== 'unary') {
    response.once('close', () => observe(call.code ?? 'canceled'));
  } else if (call.code !== undefined) {
    observe(call.code);
  } else {
    const rpc = { limit: unary, hasDetails: hasOwnDetails(handler.method) };
    const settled = await settleEarlyFailure(given, options.jsonOptions, rpc);
    given = settled.answer;
    observe(settled.code);
  }
  if (request.method === 'GET') given.header?.set('cache-control', 'no-cache');
  await sendStream(given, response, options, (frames) => {
    call.frames = frames;
  });
}

/** connect-node throws where the request has no usable authority: undefined. */
function tryConvert(
  request: HttpRequest,
  response: HttpResponse,
  call: RpcCall,
  reservation: BodyReservation,
  errors: ErrorMapper,
): UniversalServerRequest | undefined {
  try {
    const universal = universalRequestFromNodeRequest(
      request as Parameters<typeof universalRequestFromNodeRequest>[0],
      response as ServerResponse,
      undefined,
      contextValuesOf(call),
    );
    return { ...universal, body: counted(request, reservation, errors) };
  } catch {
    return undefined;
  }
}

async function* counted(
  request: HttpRequest,
  reservation: BodyReservation,
  errors: ErrorMapper,
): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of bodyOf(request)) {
      reservation.grow(chunk.length);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof WalnutError) throw errors.toConnectError(error);
    // Nobody is left to read this: the caller went away in the middle of its body.
    throw new ConnectError('the request body ended early', Code.Canceled);
  }
}

/**
 * Connect answers 405 and 415 with nothing: a caller deserves to know what was
 * expected. As plain text, since clients take JSON for an error of the protocol,
 * where the status alone is to decide.
 */
function isRefusal(answer: UniversalServerResponse): boolean {
  return answer.body === undefined && answer.status >= 400;
}

function sendRefusal(
  request: HttpRequest,
  response: HttpResponse,
  handler: UniversalHandler,
  status: number,
): void {
  if (status === 405) response.setHeader('allow', methodsOf(handler).join(', '));
  sendText(request, response, status, `${refusalMessage(status, request, handler)}\n`);
}

/** Connect allows GET of every rpc without side effects, and then has no content type for a stream. */
function methodsOf({ allowedMethods, method }: UniversalHandler): readonly string[] {
  return method.methodKind === 'unary' ? allowedMethods : ['POST'];
}

function refusalMessage(status: number, request: HttpRequest, handler: UniversalHandler): string {
  if (status === 405) {
    return `method ${request.method} is not allowed here: expected ${methodsOf(handler).join(' or ')}`;
  }
  if (status === 505) return `${handler.requestPath} needs HTTP/2`;
  if (request.method === 'GET')
    return 'unsupported encoding or Content-Type: expected encoding=json or encoding=proto in the query of a GET, and no Content-Type';
  return (
    'unsupported Content-Type: expected application/json or application/proto for a unary rpc, ' +
    'application/connect+json or application/connect+proto for a stream, application/grpc or application/grpc-web'
  );
}
