/**
 * Connect, gRPC and gRPC-Web on Node's HTTP servers.
 *
 * This is connect-node's adapter with the edges made safe: a request that its
 * conversion refuses (no Host, an ill-formed one) is answered instead of thrown
 * out of the request listener, bodies count against a budget and have a
 * deadline, unknown rpcs are answered by name, and every outcome is measured.
 */
import {
  Code,
  ConnectError,
  type ConnectRouter,
  createConnectRouter,
  type HandlerContext,
  type Interceptor,
} from '@connectrpc/connect';
import type {
  Compression,
  UniversalHandler,
  UniversalServerRequest,
  UniversalServerResponse,
} from '@connectrpc/connect/protocol';
import { universalRequestFromNodeRequest, universalResponseToNodeResponse } from '@connectrpc/connect-node';
import { WalnutError } from '#model/errors.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { BodyBudget, BodyReservation } from '#server/body-budget.ts';
import { codeName, type ErrorMapper } from '#server/error-mapping.ts';
import { NEVER_COMPRESS_BYTES } from '#server/gzip-compression.ts';
import { type HttpRequest, type HttpResponse, isHttp2, sendError } from '#server/http-io.ts';
import { contextValuesOf, type RpcCall } from '#server/rpc-call.ts';
import { sendUnknownRpc } from '#server/unknown-rpc.ts';

/** How long the body of one request may take. HTTP/1.1 has the same in `requestTimeout`. */
export const BODY_TIMEOUT_MS = 120_000;

export interface RpcAdapterOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly compression: Compression;
  readonly interceptor: Interceptor;
  /** Throws a ConnectError to refuse a call before its body is read. */
  readonly gate: (context: HandlerContext) => void;
  readonly routes: (router: ConnectRouter) => void;
  readonly shutdownSignal: AbortSignal;
  /** Called once per rpc, with its path, the Connect code (`ok` included) and its time. */
  readonly observe: (path: string, code: string, durationMs: number) => void;
}

export interface RpcAdapter {
  /** Answers the request if it is an rpc, known or not; false where it is none. */
  tryHandle(request: HttpRequest, response: HttpResponse, path: string): boolean;
}

/** `/package.Service/Method`, with a package: no other route of the server has a dot there. */
const RPC_PATH = /^\/[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\/[^/]*$/;
const REFLECTION_ALPHA = '/grpc.reflection.v1alpha.ServerReflection/';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/';

export function createRpcAdapter(options: RpcAdapterOptions): RpcAdapter {
  const router = createConnectRouter({
    acceptCompression: [options.compression],
    compressMinBytes: NEVER_COMPRESS_BYTES,
    jsonOptions: { ignoreUnknownFields: false },
    interceptors: [options.interceptor],
    requestGate: options.gate,
    shutdownSignal: options.shutdownSignal,
  });
  options.routes(router);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));
  const knownPaths = [...handlers.keys()];

  return {
    tryHandle: (request, response, rawPath) => {
      const path = rawPath.startsWith(REFLECTION_ALPHA)
        ? REFLECTION + rawPath.slice(REFLECTION_ALPHA.length)
        : rawPath;
      const handler = handlers.get(path);
      if (handler === undefined) {
        if (!RPC_PATH.test(path)) return false;
        sendUnknownRpc(request, response, path, knownPaths);
        options.observe('unknown', 'unimplemented', 0);
        return true;
      }
      serve(options, handler, request, response);
      return true;
    },
  };
}

function serve(
  options: RpcAdapterOptions,
  handler: UniversalHandler,
  request: HttpRequest,
  response: HttpResponse,
): void {
  const startedMs = options.clock.monotonicMs();
  const call: RpcCall = { remoteAddress: request.socket.remoteAddress ?? '', code: undefined };
  const reservation = options.budget.reserve();
  const done = (): void => reservation.release();
  response.once('close', done);
  if (isHttp2(request) && handler.method.methodKind !== 'bidi_streaming')
    limitBodyTime(options.clock, request);

  const universal = tryConvert(request, response, call, reservation, options.errors);
  if (universal === undefined) {
    const message = 'the Host header or the path is missing or ill-formed';
    sendError(request, response, 400, { code: 'invalid_argument', message });
    options.observe(handler.requestPath, 'invalid_argument', 0);
    return;
  }
  handler(universal).then(
    (answer) => {
      const isUnary = handler.method.methodKind === 'unary';
      const observe = (): void =>
        options.observe(
          handler.requestPath,
          call.code ?? codeOfAnswer(answer),
          options.clock.monotonicMs() - startedMs,
        );
      if (isUnary) observe();
      else response.once('close', observe);
      if (isRefusal(answer)) sendRefusal(request, response, handler, answer);
      else universalResponseToNodeResponse(answer, response).catch(() => response.destroy());
    },
    (error: unknown) => {
      // The handlers catch what the implementations throw; this is the protocol layer itself.
      const mapped = options.errors.toConnectError(error, universal.signal);
      options.logger.debug({ err: error, path: handler.requestPath }, 'an rpc ended before its answer');
      options.observe(handler.requestPath, codeName(mapped.code), options.clock.monotonicMs() - startedMs);
      const { code } = mapped;
      sendError(request, response, 400, { code: codeName(code), message: mapped.rawMessage });
    },
  );
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
      response as Parameters<typeof universalRequestFromNodeRequest>[1] & HttpResponse,
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
    for await (const chunk of request as AsyncIterable<Uint8Array>) {
      reservation.add(chunk.length);
      yield chunk;
    }
  } catch (error) {
    if (error instanceof WalnutError) throw errors.toConnectError(error);
    // Nobody is left to read this: the caller went away in the middle of its body.
    throw new ConnectError('the request body ended early', Code.Canceled);
  }
}

function limitBodyTime(clock: Clock, request: HttpRequest): void {
  if (!isHttp2(request) || request.stream.endAfterHeaders) return;
  const timer = clock.after(BODY_TIMEOUT_MS, () => request.stream.close());
  request.once('end', () => timer.cancel());
  request.once('close', () => timer.cancel());
}

/** Connect answers 405 and 415 with nothing: a caller deserves to know what was expected. */
function isRefusal(answer: UniversalServerResponse): boolean {
  return answer.body === undefined && answer.status >= 400;
}

function sendRefusal(
  request: HttpRequest,
  response: HttpResponse,
  handler: UniversalHandler,
  answer: UniversalServerResponse,
): void {
  const headers = answer.status === 405 ? { allow: handler.allowedMethods.join(', ') } : {};
  sendError(
    request,
    response,
    answer.status,
    { code: 'unimplemented', message: refusalMessage(answer.status, request, handler) },
    headers,
  );
}

function refusalMessage(status: number, request: HttpRequest, handler: UniversalHandler): string {
  if (status === 405) {
    return `method ${request.method} is not allowed here: expected ${handler.allowedMethods.join(' or ')}`;
  }
  if (status === 505) return `${handler.requestPath} needs HTTP/2`;
  return (
    'unsupported Content-Type: expected application/json or application/proto for a unary rpc, ' +
    'application/connect+json or application/connect+proto for a stream, application/grpc or application/grpc-web'
  );
}

/** The outcome of a call that never reached the interceptor: its body or headers were refused. */
function codeOfAnswer(answer: UniversalServerResponse): string {
  const grpcStatus = answer.trailer?.get('grpc-status') ?? answer.header?.get('grpc-status');
  if (grpcStatus !== null && grpcStatus !== undefined) {
    const code = Number(grpcStatus);
    return code === 0 ? 'ok' : (codeName(code) ?? 'unknown');
  }
  switch (answer.status) {
    case 200:
      return 'ok';
    case 400:
      return 'invalid_argument';
    case 401:
      return 'unauthenticated';
    case 429:
      return 'resource_exhausted';
    case 503:
      return 'unavailable';
    case 404:
    case 405:
    case 415:
      return 'unimplemented';
    default:
      return 'unknown';
  }
}
