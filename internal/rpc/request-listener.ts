/**
 * The first layer that sees a request: finds its route, asks admission, and hands it
 * on; 404 for what has no route. Nothing thrown here leaves it, as that would end the
 * process.
 */
import {
  constants,
  type Http2ServerRequest,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Operation, Peer } from '#model/access.ts';
import { NO_ROUTE } from '#model/methods.ts';
import type { Admission, Refusal } from '#rpc/admission.ts';
import type { BodyDeadlines } from '#rpc/body-deadlines.ts';
import {
  type CorsOrigins,
  isPreflight,
  PREFLIGHT,
  PREFLIGHT_HEADERS,
  pageHeaders,
  pageOf,
} from '#rpc/cors.ts';
import type { ErrorMapper } from '#rpc/error-mapping.ts';
import {
  type Headers,
  type HttpRequest,
  type HttpResponse,
  isNodeHttp1,
  isNodeHttp2,
  send,
  sendError,
  sendProblem,
  sendRpcError,
  setHeaders,
  splitUrl,
} from '#rpc/http-io.ts';
import type { AskedRoute, HttpRoute, HttpRoutes } from '#rpc/http-routes.ts';
import { peerOf } from '#rpc/peer.ts';
import { repeatedHeader, whyNotRead } from '#rpc/read-twice.ts';
import type { RpcAdapter, RpcRoute } from '#rpc/rpc-adapter.ts';
import { anonymousCall, type RpcCall } from '#rpc/rpc-call.ts';
import type { UnaryRoute } from '#rpc/rpc-routes.ts';
import { type Exchange, peerOfSession } from '#rpc/unary/exchange.ts';
import type { RequestShape } from '#rpc/unary/request-shape.ts';
import { fromErrorToHttp } from '#wire/error-codec.ts';

/** What `OPTIONS *` is told: those that any route takes. */
const METHODS = 'GET, HEAD, PUT, POST, DELETE, OPTIONS';
/** How long the body of one request may take. */
export const BODY_TIMEOUT_MS = 120_000;

export interface RequestListenerOptions {
  readonly deadlines: BodyDeadlines;
  readonly errors: ErrorMapper;
  readonly admission: Admission;
  readonly onRefused: (refusal: Refusal, operation: Operation, call: RpcCall) => void;
  readonly rpcAdapter: RpcAdapter;
  readonly httpRoutes: HttpRoutes;
  readonly isDraining: () => boolean;
  /** Pages of other sites that may call; what they send always comes as a request. */
  readonly origins: CorsOrigins;
}

/** What a head asks of the unary path. Nothing of it says that a call is admitted. */
export interface CallPlan {
  readonly headers: IncomingHttpHeaders;
  readonly verb: string;
  readonly operation: Operation;
  readonly unary: UnaryRoute;
  readonly shape: RequestShape;
  /** Stands for the connection where it is asked who calls. Plans share it that differ in the values of one call. */
  readonly caller: object;
}

export interface Listener {
  /** A promise resolves when nothing works for the request any more; it never rejects. */
  onRequest(request: HttpRequest, response: HttpResponse): void | Promise<void>;
  /** HTTP/2 streams come here first; false: it should come as a request. */
  onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]): boolean;
  /** Takes a head of HTTP/2. Undefined: calls with this head should come as requests. */
  planCall(headers: IncomingHttpHeaders): CallPlan | undefined;
  /** Takes a head of HTTP/1.1. Undefined: requests with this head are for Node's server. */
  planHttp1(verb: string, target: string, headers: IncomingHttpHeaders): CallPlan | 'request' | undefined;
  /** The same for a head that differs from that of `before` in the values of `CALL_FIELDS` alone. */
  replanHttp1(before: CallPlan | 'request', headers: IncomingHttpHeaders): CallPlan | 'request' | undefined;
  /** False: it should come as a request. */
  onCall(plan: CallPlan, peer: Peer, exchange: Exchange): boolean;
}

export function createRequestListener(options: RequestListenerOptions): Listener {
  const onRequest: Listener['onRequest'] = (request, response) => {
    // Without listeners, a peer that resets its stream would be an uncaught error.
    request.on('error', ignore);
    response.on('error', ignore);
    if (isNodeHttp2(request)) boundBody(options.deadlines, request);
    const fail = (error: unknown): void => {
      const { code, message } = options.errors.toHttpError(error);
      sendError(request, response, 500, { code, message });
    };
    try {
      if (options.isDraining() && isNodeHttp1(request)) response.setHeader('connection', 'close');
      const page = pageOf(options.origins, request.headers);
      if (page !== undefined) setHeaders(response, pageHeaders(page));
      const answered = dispatch(options, request, response, page);
      if (answered instanceof Promise) return answered.catch(fail);
    } catch (error) {
      fail(error);
    }
    return undefined;
  };
  const onStream: Listener['onStream'] = (stream, headers, rawHeaders) => {
    stream.on('error', ignore);
    try {
      return tryStream(options, stream, headers, rawHeaders);
    } catch (error) {
      options.errors.toHttpError(error);
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return true;
    }
  };
  const onCall: Listener['onCall'] = (plan, peer, exchange) => {
    try {
      return tryCall(options, plan, peer, exchange);
    } catch (error) {
      options.errors.toHttpError(error);
      exchange.destroy();
      return true;
    }
  };
  return {
    onRequest,
    onStream,
    planCall: (headers) => {
      const target = headers[':path'] ?? '';
      return planCall(options, { verb: headers[':method'] ?? '', target, isHttp2: true }, headers);
    },
    planHttp1: (verb, target, headers) => planHttp1(options, { verb, target, isHttp2: false }, headers),
    replanHttp1: (before, headers) => replanHttp1(options, before, headers),
    onCall,
  };
}

function ignore(): void {}

/**
 * HTTP/1.1 has `requestTimeout`; an HTTP/2 stream gets its bound here. What is
 * left of a body after the answer is thrown away until then.
 */
function boundBody(deadlines: BodyDeadlines, request: Http2ServerRequest): void {
  const { stream } = request;
  if (stream.endAfterHeaders) return;
  deadlines.watch(stream);
  stream.once('finish', () => {
    if (!request.readableEnded) request.resume();
  });
}

function dispatch(
  options: RequestListenerOptions,
  request: HttpRequest,
  response: HttpResponse,
  page: string | undefined,
): void | Promise<void> {
  const url = request.url ?? '';
  const wrong = whyNotRead(request, url);
  if (wrong !== undefined)
    return sendError(request, response, 400, { code: 'invalid_argument', message: wrong });
  const { headers, method = '' } = request;
  const asked =
    page !== undefined && isPreflight(method, headers)
      ? askedByBrowser(request, url)
      : findAsked(options, request, url);
  const { operation, call } = asked;
  const verdict = options.admission.refusal(operation, call, headers, url, connectionOf(request), method);
  if (!(verdict instanceof Promise)) return proceed(options, request, response, asked, verdict);
  return verdict.then((refusal) => proceed(options, request, response, asked, refusal));
}

/** A request whose route is found. */
interface Asked extends AskedRoute {
  readonly rpc: RpcRoute | undefined;
  readonly route: HttpRoute | undefined;
}

function findAsked(
  { rpcAdapter, httpRoutes }: RequestListenerOptions,
  request: HttpRequest,
  url: string,
): Asked {
  const { path, query } = splitUrl(url);
  const rpc = rpcAdapter.find(path);
  const route = rpc === undefined ? httpRoutes.find(path) : undefined;
  const operation =
    rpc?.operation ?? route?.operation(request.method ?? '', query, request.headers) ?? NO_ROUTE;
  return { rpc, route, operation, call: callOf(request), path, query };
}

/** A preflight is answered alike for every path. */
function askedByBrowser(request: HttpRequest, url: string): Asked {
  return { rpc: undefined, route: undefined, operation: PREFLIGHT, call: callOf(request), ...splitUrl(url) };
}

function callOf(request: HttpRequest): RpcCall {
  return anonymousCall(peerOf(request.socket));
}

/** Serves what admission let in, and answers what it did not. */
function proceed(
  options: RequestListenerOptions,
  request: HttpRequest,
  response: HttpResponse,
  { rpc, route, operation, call, path, query }: Asked,
  refusal: Refusal | undefined,
): void | Promise<void> {
  const { rpcAdapter } = options;
  if (refusal !== undefined) {
    options.onRefused(refusal, operation, call);
    const error = fromErrorToHttp(refusal.error);
    if (route !== undefined)
      return sendProblem(
        request,
        response,
        error.httpStatus,
        error,
        challengeFor(request.headers, error.headers),
      );
    if (rpc === undefined || refusal.by === 'name') return sendRpcError(request, response, error);
    call.refusal = refusal.error;
  }
  if (operation === PREFLIGHT) return send(request, response, 204, PREFLIGHT_HEADERS, '');
  if (rpc !== undefined) return rpcAdapter.serve(rpc, call, request, response, query);
  if (route !== undefined) return route.serve(request, response, { path, query, operation, call });
  if (path === '*' && request.method === 'OPTIONS')
    return send(request, response, 204, { allow: METHODS }, '');
  if (rpcAdapter.isUnknown(path)) return rpcAdapter.serveUnknown(request, response, path);
  const message = `there is nothing here: expected an rpc or ${options.httpRoutes.shown}`;
  sendError(request, response, 404, { code: 'not_found', message });
}

/**
 * A page that says that it sent the request asks for a token itself. Its browser would ask for a
 * password before, and keep that, if it were offered Basic.
 */
function challengeFor(headers: IncomingHttpHeaders, own: Headers): Headers {
  const isOfPage = headers['x-requested-with'] !== undefined && own['www-authenticate'] !== undefined;
  return isOfPage ? { ...own, 'www-authenticate': 'Bearer realm="walnut"' } : own;
}

/** What stands for the connection of a request. */
function connectionOf(request: HttpRequest): object {
  return isNodeHttp2(request) ? (request.stream.session ?? request) : request.socket;
}

/** Like `dispatch`, for a call that the unary path takes; false if the call must come as a request. */
function tryStream(
  { rpcAdapter, admission, origins, onRefused }: RequestListenerOptions,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
): boolean {
  const { path, query } = splitUrl(headers[':path'] ?? '');
  const rpc = rpcAdapter.find(path);
  if (rpc === undefined || pageOf(origins, headers) !== undefined) return false;
  // What has a header twice comes again as a request, and is answered there.
  if (repeatedHeader(rawHeaders, headers) !== undefined) return false;
  const call = anonymousCall(peerOfSession(stream.session));
  const refusal = admission.refusal(
    rpc.operation,
    call,
    headers,
    '/',
    stream.session ?? stream,
    headers[':method'] ?? '',
  );
  // It comes again as a request, which can wait for a password to be hashed.
  if (refusal instanceof Promise || refusal?.by === 'name') return false;
  call.refusal = refusal?.error;
  const isTaken = rpcAdapter.tryStream(rpc, call, stream, headers, query);
  if (isTaken && refusal !== undefined) onRefused(refusal, rpc.operation, call);
  return isTaken;
}

interface PlannedLine {
  readonly verb: string;
  readonly target: string;
  readonly isHttp2: boolean;
}

function planCall(
  { rpcAdapter, origins }: RequestListenerOptions,
  { verb, target, isHttp2 }: PlannedLine,
  headers: IncomingHttpHeaders,
): CallPlan | undefined {
  if (pageOf(origins, headers) !== undefined) return undefined;
  const { path, query } = splitUrl(target);
  const rpc = rpcAdapter.find(path);
  if (rpc?.unary === undefined) return undefined;
  const shape = rpcAdapter.unaryPath.shapeOf(rpc.unary, { verb, query, isHttp2 }, headers);
  return shape === undefined
    ? undefined
    : { verb, headers, operation: rpc.operation, unary: rpc.unary, shape, caller: {} };
}

/** Rpcs that the unary path does not take, and streams, need Node's requests. */
function planHttp1(
  options: RequestListenerOptions,
  line: PlannedLine,
  headers: IncomingHttpHeaders,
): CallPlan | 'request' | undefined {
  const route = options.httpRoutes.find(splitUrl(line.target).path);
  if (route === undefined) return planCall(options, line, headers);
  return route.isStream === true ? undefined : 'request';
}

/** Routes and pages are found by other fields, so only the shape is looked at anew. */
function replanHttp1(
  { rpcAdapter }: RequestListenerOptions,
  before: CallPlan | 'request',
  headers: IncomingHttpHeaders,
): CallPlan | 'request' | undefined {
  if (before === 'request') return before;
  const { verb, operation, unary, caller } = before;
  const shape = rpcAdapter.unaryPath.reshape(before.shape, headers);
  return shape === undefined ? undefined : { verb, headers, operation, unary, shape, caller };
}

/** Like `tryStream`, for a call whose head was examined before. */
function tryCall(
  { rpcAdapter, admission, onRefused }: RequestListenerOptions,
  plan: CallPlan,
  peer: Peer,
  exchange: Exchange,
): boolean {
  const { headers, operation, unary, shape, caller } = plan;
  const call = anonymousCall(peer);
  const refusal = admission.refusal(operation, call, headers, '/', caller, plan.verb);
  if (refusal instanceof Promise) return false;
  if (refusal !== undefined) {
    const { by, error } = refusal;
    if (by === 'name') return false;
    call.refusal = error;
    onRefused(refusal, operation, call);
  }
  rpcAdapter.unaryPath.takeShape(unary, shape, call, exchange);
  return true;
}
