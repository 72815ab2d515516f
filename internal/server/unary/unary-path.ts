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
  readonly jsonOptions: JsonOptions;
  readonly shutdownSignal: AbortSignal;
  /** Called once per call, with its path, the Connect code (`ok` included) and its time. */
  readonly observe: (path: string, code: string, durationMs: number) => void;
}

/** Both: true where the request is being answered; false where nothing was touched. */
export interface UnaryPath {
  takeRequest(
    route: UnaryRoute,
    call: RpcCall,
    request: IncomingMessage,
    response: ServerResponse,
    query: string,
  ): boolean;
  takeStream(
    route: UnaryRoute,
    call: RpcCall,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    query: string,
  ): boolean;
}

export function createUnaryPath(options: UnaryPathOptions): UnaryPath {
  const take = (route: UnaryRoute, call: RpcCall, line: RequestLine, exchange: Exchange): boolean => {
    const shape = shapeOf(route.method, line, exchange.headers);
    if (shape === undefined) return false;
    new UnaryCall(options, route, shape, exchange, call).start();
    return true;
  };
  return {
    takeRequest: (route, call, request, response, query) => {
      const line = { verb: request.method ?? '', query, isHttp2: false };
      return take(route, call, line, new Http1Exchange(request, response));
    },
    takeStream: (route, call, stream, headers, query) => {
      const line = { verb: headers[':method'] ?? '', query, isHttp2: true };
      return take(route, call, line, new Http2Exchange(stream, headers, options));
    },
  };
}
