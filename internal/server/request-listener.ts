/**
 * The first layer that sees a request: plain routes, keys, rpcs, and 404 for the
 * rest. Nothing thrown here leaves it, as that would end the process.
 */
import { constants, type Http2ServerRequest } from 'node:http2';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { type HttpRequest, type HttpResponse, isHttp2, sendError, splitUrl } from '#server/http-io.ts';
import { KEYS_PREFIX } from '#server/keys-request.ts';
import type { KeysRoute } from '#server/keys-route.ts';
import { isHealthPath, type PlainRoute } from '#server/plain-routes.ts';
import { protectedModeMessage } from '#server/protected-mode.ts';
import type { RpcAdapter } from '#server/rpc-adapter.ts';

/** How long the body of one request may take. */
export const BODY_TIMEOUT_MS = 120_000;

export interface RequestListenerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly plainRoutes: ReadonlyMap<string, PlainRoute>;
  readonly keysRoute: KeysRoute;
  readonly rpcAdapter: RpcAdapter;
  readonly isDraining: () => boolean;
  /** Whether protected mode lets this peer in. */
  readonly isServed: (remoteAddress: string | undefined) => boolean;
  readonly onRefused: () => void;
}

export function createRequestListener(
  options: RequestListenerOptions,
): (request: HttpRequest, response: HttpResponse) => void {
  return (request, response) => {
    // Without listeners, a peer that resets its stream would be an uncaught error.
    request.on('error', ignore);
    response.on('error', ignore);
    if (isHttp2(request)) boundBody(options.clock, request);
    const fail = (error: unknown): void => {
      options.logger.error({ err: error }, 'a request failed unexpectedly');
      sendError(request, response, 500, { code: 'internal', message: 'internal error' });
    };
    try {
      if (options.isDraining() && !isHttp2(request)) response.setHeader('connection', 'close');
      const answered = dispatch(options, request, response);
      if (answered instanceof Promise) answered.catch(fail);
    } catch (error) {
      fail(error);
    }
  };
}

function ignore(): void {}

/**
 * HTTP/1.1 has `requestTimeout`; an HTTP/2 stream gets its bound here. What is
 * left of a body after the answer is thrown away until then.
 */
function boundBody(clock: Clock, request: Http2ServerRequest): void {
  const { stream } = request;
  if (stream.endAfterHeaders) return;
  const timer = clock.after(BODY_TIMEOUT_MS, () => stream.close(constants.NGHTTP2_CANCEL));
  stream.once('end', timer.cancel);
  stream.once('close', timer.cancel);
  stream.once('finish', () => {
    if (!request.readableEnded) request.resume();
  });
}

function dispatch(
  options: RequestListenerOptions,
  request: HttpRequest,
  response: HttpResponse,
): void | Promise<void> {
  const { path, query } = splitUrl(request.url ?? '');
  if (options.rpcAdapter.tryHandle(request, response, path)) return;
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
