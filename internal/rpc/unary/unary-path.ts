/**
 * The direct way for unary rpcs: from Node's request to the implementation and
 * back, without the adapter's general machinery. It serves every unary method
 * of every registered service for Connect (protobuf and JSON, POST and GET) and
 * for gRPC over HTTP/2, and knows nothing of what the methods mean. What it
 * does not take is untouched, and the adapter's: see README.md.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { RpcCall } from '#rpc/rpc-call.ts';
import type { UnaryRoute } from '#rpc/rpc-routes.ts';
import { type Exchange, Http1Exchange, Http2Exchange } from '#rpc/unary/exchange.ts';
import { type RequestLine, shapeOf } from '#rpc/unary/request-shape.ts';
import { UnaryCall } from '#rpc/unary/unary-call.ts';
import type { UnaryPathOptions } from '#rpc/unary/unary-options.ts';

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
