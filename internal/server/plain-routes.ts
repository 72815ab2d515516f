/** The routes for people and monitors: `/`, `/livez`, `/readyz`, `/metrics`. All are GET and HEAD only. */
import type { NodeStatus } from '#model/status.ts';
import type { Metrics } from '#platform/metrics.ts';
import {
  type HttpRequest,
  type HttpResponse,
  send,
  sendMethodNotAllowed,
  sendText,
} from '#server/http-io.ts';

export interface PlainRoutesOptions {
  readonly metrics: Metrics;
  readonly status: () => NodeStatus;
  readonly version: string;
}

export type PlainRoute = (
  request: HttpRequest,
  response: HttpResponse,
  query: string,
) => void | Promise<void>;

/** By path. */
export function createPlainRoutes(options: PlainRoutesOptions): ReadonlyMap<string, PlainRoute> {
  const routes: [string, PlainRoute][] = [
    [
      '/',
      (request, response) => sendText(request, response, 200, frontPage(options.status(), options.version)),
    ],
    ['/livez', (request, response) => sendText(request, response, 200, 'ok\n')],
    ['/readyz', (request, response, query) => sendReadiness(request, response, query, options.status())],
    ['/metrics', (request, response) => sendMetrics(request, response, options.metrics)],
  ];
  return new Map(routes.map(([path, route]) => [path, readOnly(route)]));
}

/** Health answers whatever the peer's address is. */
export function isHealthPath(path: string): boolean {
  return path === '/livez' || path === '/readyz' || path.startsWith('/grpc.health.v1.Health/');
}

function readOnly(route: PlainRoute): PlainRoute {
  return (request, response, query) => {
    if (request.method === 'GET' || request.method === 'HEAD') return route(request, response, query);
    sendMethodNotAllowed(request, response, 'GET, HEAD');
  };
}

/** 200 when ready, else 503; the reasons as lines of text, with `?verbose` as JSON. */
function sendReadiness(
  request: HttpRequest,
  response: HttpResponse,
  query: string,
  status: NodeStatus,
): void {
  const code = status.isReady ? 200 : 503;
  if (new URLSearchParams(query).has('verbose')) {
    const { isReady, role, state, reasons, recovery } = status;
    const body = `${JSON.stringify({ ready: isReady, role, state, reasons, recovery })}\n`;
    send(request, response, code, { 'content-type': 'application/json', 'cache-control': 'no-store' }, body);
    return;
  }
  const first = status.isReady ? 'ok' : `not ready: ${status.state}`;
  sendText(request, response, code, `${[first, ...status.reasons].join('\n')}\n`);
}

async function sendMetrics(request: HttpRequest, response: HttpResponse, metrics: Metrics): Promise<void> {
  const text = await metrics.render();
  send(request, response, 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }, text);
}

function frontPage(status: NodeStatus, version: string): string {
  return `Walnut ${version}: a replicated in-memory cache with a write-ahead log
This node is a ${status.role}, state ${status.state}, ${status.isReady ? 'ready' : 'not ready'}.

/v1/keys/{key}           GET, HEAD, PUT, DELETE one value; ?ttl=30s on PUT
/walnut.v1.KVStore/*     the same and more over Connect, gRPC and gRPC-Web
/walnut.v1.Admin/Status  what this node is doing (POST {} as application/json)
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
`;
}
