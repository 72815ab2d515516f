/**
 * The direct way for unary rpcs: from a request to the implementation and back,
 * without the adapter's general machinery. It serves every unary method of every
 * registered service for Connect (protobuf and JSON, POST and GET) and gRPC-Web over
 * HTTP/1.1 and HTTP/2, and for gRPC over HTTP/2, and does not know what the methods
 * mean. A request that it does not take is left unread, for the adapter: see README.md.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { UnaryRoute } from '#rpc/rpc-routes.ts';
import { type Exchange, Http1Exchange, Http2Exchange } from '#rpc/unary/exchange.ts';
import { type RequestLine, type RequestShape, shapeOf, withCallValues } from '#rpc/unary/request-shape.ts';
import { UnaryCall } from '#rpc/unary/unary-call.ts';
import type { UnaryPathOptions } from '#rpc/unary/unary-options.ts';

/** The first two: true where the request is being answered; false where nothing was touched. */
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
  /** What a head asks for, the same for equal heads; undefined where it is not taken. */
  shapeOf(route: UnaryRoute, line: RequestLine, headers: IncomingHttpHeaders): RequestShape | undefined;
  /** The same for a head of HTTP/1.1 that differs from that of `before` in the values of `CALL_FIELDS` alone. */
  reshape(before: RequestShape, headers: IncomingHttpHeaders): RequestShape | undefined;
  takeShape(route: UnaryRoute, shape: RequestShape, call: RpcCall, exchange: Exchange): void;
}

export function createUnaryPath(options: UnaryPathOptions): UnaryPath {
  const takeShape: UnaryPath['takeShape'] = (route, shape, call, exchange) =>
    new UnaryCall(options, route, shape, exchange, call).start();
  return {
    takeRequest: (route, call, request, response, query) => {
      const line: RequestLine = { verb: request.method ?? '', query, isHttp2: false };
      const shape = shapeOf(route.method, line, request.headers);
      if (shape !== undefined) takeShape(route, shape, call, new Http1Exchange(request, response));
      return shape !== undefined;
    },
    takeStream: (route, call, stream, headers, query) => {
      const line: RequestLine = { verb: headers[':method'] ?? '', query, isHttp2: true };
      const shape = shapeOf(route.method, line, headers);
      if (shape !== undefined) takeShape(route, shape, call, new Http2Exchange(stream, headers, options));
      return shape !== undefined;
    },
    shapeOf: (route, line, headers) => shapeOf(route.method, line, headers),
    reshape: (before, headers) => withCallValues(before, headers, false),
    takeShape,
  };
}
