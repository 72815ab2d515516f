/**
 * The first layer that sees a request: plain routes, keys, rpcs, and 404 for the
 * rest. Nothing thrown here leaves it, as that would end the process.
 */
import {
  constants,
  type Http2ServerRequest,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { BodyDeadlines } from '#server/body-deadlines.ts';
import type { ErrorMapper } from '#server/error-mapping.ts';
import type { HostPolicy } from '#server/host-policy.ts';
import {
  type HttpRequest,
  type HttpResponse,
  isHttp2,
  type RpcRefusal,
  sendError,
  sendRpcError,
  splitUrl,
} from '#server/http-io.ts';
import { KEYS_PREFIX } from '#server/keys-request.ts';
import type { KeysRoute } from '#server/keys-route.ts';
import { isHealthPath, type PlainRoute } from '#server/plain-routes.ts';
import { protectedModeMessage } from '#server/protected-mode.ts';
import type { RpcAdapter } from '#server/rpc-adapter.ts';

/** How long the body of one request may take. */
export const BODY_TIMEOUT_MS = 120_000;

export interface RequestListenerOptions {
  readonly deadlines: BodyDeadlines;
  readonly errors: ErrorMapper;
  readonly plainRoutes: ReadonlyMap<string, PlainRoute>;
  readonly keysRoute: KeysRoute;
  readonly rpcAdapter: RpcAdapter;
  readonly isDraining: () => boolean;
  /** Whether protected mode lets this peer in. */
  readonly isServed: (remoteAddress: string | undefined) => boolean;
  readonly onRefused: () => void;
  readonly hosts: HostPolicy;
  readonly onHostRefused: () => void;
}

export interface Listener {
  onRequest(request: HttpRequest, response: HttpResponse): void;
  /** HTTP/2 streams come here first; false: it should come as a request. */
  onStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
}

export function createRequestListener(options: RequestListenerOptions): Listener {
  const onRequest: Listener['onRequest'] = (request, response) => {
    // Without listeners, a peer that resets its stream would be an uncaught error.
    request.on('error', ignore);
    response.on('error', ignore);
    if (isHttp2(request)) boundBody(options.deadlines, request);
    const fail = (error: unknown): void => {
      const { code, message } = options.errors.toHttpError(error);
      sendError(request, response, 500, { code, message });
    };
    try {
      if (options.isDraining() && !isHttp2(request)) response.setHeader('connection', 'close');
      const answered = dispatch(options, request, response);
      if (answered instanceof Promise) answered.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
  const onStream: Listener['onStream'] = (stream, headers) => {
    stream.on('error', ignore);
    try {
      if (options.hosts.refusal(headers, '/') !== undefined) return false;
      return options.rpcAdapter.tryStream(stream, headers);
    } catch (error) {
      options.errors.toHttpError(error);
      stream.close(constants.NGHTTP2_INTERNAL_ERROR);
      return true;
    }
  };
  return { onRequest, onStream };
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

const FORBIDDEN: RpcRefusal = { httpStatus: 403, code: 'permission_denied', grpcStatus: 7 };

/** Node takes the first of them, and whoever is between here and the caller may have taken the second. */
function hasTwoHosts(rawHeaders: readonly string[]): boolean {
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1;
}

function dispatch(
  options: RequestListenerOptions,
  request: HttpRequest,
  response: HttpResponse,
): void | Promise<void> {
  const url = request.url ?? '';
  if (!isHttp2(request) && hasTwoHosts(request.rawHeaders)) {
    const message = 'there is more than one Host header: expected one';
    return sendError(request, response, 400, { code: 'invalid_argument', message });
  }
  const refusal = options.hosts.refusal(request.headers, url);
  if (refusal !== undefined) {
    options.onHostRefused();
    return sendRpcError(request, response, FORBIDDEN, refusal);
  }
  const { path, query } = splitUrl(url);
  if (options.rpcAdapter.tryHandle(request, response, path, query)) return;
  if (!isHealthPath(path) && !options.isServed(request.socket.remoteAddress)) {
    options.onRefused();
    const message = protectedModeMessage(request.socket.remoteAddress);
    return sendError(request, response, 401, { code: 'unauthenticated', message });
  }
  const plain = options.plainRoutes.get(path);
  if (plain !== undefined) return plain(request, response, query);
  if (!path.startsWith(KEYS_PREFIX)) {
    const message = 'there is nothing here: expected /v1/keys/{key}, an rpc, /livez, /readyz, /metrics or /';
    return sendError(request, response, 404, { code: 'not_found', message });
  }
  if (options.isDraining()) {
    return sendError(request, response, 503, {
      code: 'unavailable',
      message: 'the server is stopping: try another node',
    });
  }
  return options.keysRoute(request, response, path, query);
}
