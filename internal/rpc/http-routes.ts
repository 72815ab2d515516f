/** Routes that are no rpcs: what a module registers, and how a request finds its route. */
import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from '#model/access.ts';
import type { HttpRequest, HttpResponse } from '#rpc/http-io.ts';
import type { PathApi } from '#rpc/openapi/operation.ts';
import type { RpcCall } from '#rpc/rpc-call.ts';

export interface HttpRoute {
  /** One path, or all below one where it ends with a slash and is longer than that. */
  readonly path: string;
  /** How the path is written for people, where it says less than enough. */
  readonly shown?: string;
  /** What OpenAPI says of it. */
  readonly api: PathApi;
  /** Its answers come in pieces for as long as the caller wants. */
  readonly isStream?: boolean;
  /** The operation as which a request is judged, and so served. `verb`: such as GET. */
  operation(verb: string, query: string, headers: IncomingHttpHeaders): Operation;
  serve(request: HttpRequest, response: HttpResponse, asked: AskedRoute): void | Promise<void>;
}

/** What an admitted request asks of a route. */
export interface AskedRoute {
  readonly path: string;
  readonly query: string;
  /** What the request was judged as. */
  readonly operation: Operation;
  readonly call: RpcCall;
}

export interface HttpRoutes {
  /** All of them, for people. */
  readonly shown: string;
  find(path: string): HttpRoute | undefined;
}

export function createHttpRoutes(routes: readonly HttpRoute[]): HttpRoutes {
  const byPath = new Map(routes.map((route) => [route.path, route]));
  const prefixes = routes.filter(({ path }) => path.length > 1 && path.endsWith('/'));
  const shown = routes.map((route) => route.shown ?? route.path);
  return {
    shown: `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}`,
    find: (path) => byPath.get(path) ?? prefixes.find((route) => path.startsWith(route.path)),
  };
}
