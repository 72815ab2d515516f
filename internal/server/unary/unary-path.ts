/**
 * The direct way for unary rpcs: from Node's request to the implementation and
 * back, without the adapter's general machinery. It serves every unary method
 * of every registered service for Connect (protobuf and JSON, POST and GET) and
 * for gRPC over HTTP/2, and knows nothing of what the methods mean. What it
 * does not take is untouched, and the adapter's: see README.md.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { Compression } from '@connectrpc/connect/protocol';
import type { Clock } from '#platform/clock.ts';
import type { BodyBudget } from '#server/body-budget.ts';
import type { ErrorMapper } from '#server/error-mapping.ts';
import { splitUrl } from '#server/http-io.ts';
import type { RpcCall } from '#server/rpc-call.ts';
import type { UnaryRoute } from '#server/rpc-routes.ts';
import { type Exchange, Http1Exchange, type Http2Bounds, Http2Exchange } from '#server/unary/exchange.ts';
import type { JsonOptions } from '#server/unary/message-codec.ts';
import { type RequestLine, shapeOf } from '#server/unary/request-shape.ts';
import { UnaryCall } from '#server/unary/unary-call.ts';

export interface UnaryPathOptions extends Http2Bounds {
  readonly clock: Clock;
  readonly errors: ErrorMapper;
  readonly budget: BodyBudget;
  readonly compression: Compression;
  /** Answers of this many bytes are compressed where the caller takes it. */
  readonly compressMinBytes: number;
  /** By path, `/package.Service/Method`. */
  readonly routes: ReadonlyMap<string, UnaryRoute>;
  /** Throws a ConnectError to refuse a call before its body is read. */
  readonly gate: (method: UnaryRoute['method'], call: RpcCall) => void;
  readonly jsonOptions: JsonOptions;
  readonly shutdownSignal: AbortSignal;
  /** Called once per call, with its path, the Connect code (`ok` included) and its time. */
  readonly observe: (path: string, code: string, durationMs: number) => void;
}

/** Both: true where the request is being answered; false where nothing was touched. */
export interface UnaryPath {
  takeRequest(request: IncomingMessage, response: ServerResponse, path: string, query: string): boolean;
  takeStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean;
}

export function createUnaryPath(options: UnaryPathOptions): UnaryPath {
  const { routes } = options;
  const take = (route: UnaryRoute, line: RequestLine, exchange: Exchange): boolean => {
    const shape = shapeOf(route.method, line, exchange.headers);
    if (shape === undefined) return false;
    new UnaryCall(options, route, shape, exchange).start();
    return true;
  };
  return {
    takeRequest: (request, response, path, query) => {
      const route = routes.get(path);
      if (route === undefined) return false;
      const line = { verb: request.method ?? '', query, isHttp2: false };
      return take(route, line, new Http1Exchange(request, response));
    },
    takeStream: (stream, headers) => {
      const { path, query } = splitUrl(headers[':path'] ?? '');
      const route = routes.get(path);
      if (route === undefined) return false;
      const line = { verb: headers[':method'] ?? '', query, isHttp2: true };
      return take(route, line, new Http2Exchange(stream, headers, options));
    },
  };
}
