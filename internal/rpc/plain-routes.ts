/** The routes for monitors that every edge has: `/livez`, `/readyz`, `/metrics`. All are GET and HEAD only. */
import type { Readiness } from '#model/edge.ts';
import { operationOf } from '#model/methods.ts';
import type { Metrics } from '#platform/metrics.ts';
import { type HttpRequest, type HttpResponse, send, sendMethodNotAllowed, sendText } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import {
  type ApiOperation,
  type ApiParameter,
  answer,
  OTHER,
  type PathApi,
  TEXT,
} from '#rpc/openapi/operation.ts';

export interface PlainRoutesOptions {
  readonly metrics: Metrics;
  readonly readiness: () => Readiness;
}

export function createPlainRoutes({ metrics, readiness }: PlainRoutesOptions): HttpRoute[] {
  return [
    createPlainRoute('/livez', pageApi('Whether the process lives', TEXT_ANSWER), (request, response) =>
      sendText(request, response, 200, 'ok\n'),
    ),
    createPlainRoute('/readyz', READY_API, (request, response, query) =>
      sendReadiness(request, response, query, readiness()),
    ),
    createPlainRoute('/metrics', pageApi('Metrics of Prometheus', TEXT_ANSWER), (request, response) =>
      sendMetrics(request, response, metrics),
    ),
  ];
}

const TEXT_ANSWER = { '200': answer('Text', { 'text/plain': TEXT }) };
const READINESS = { 'text/plain': TEXT, 'application/json': { type: 'object' } };
const VERBOSE: ApiParameter = {
  name: 'verbose',
  in: 'query',
  description: 'Answer JSON',
  schema: { type: 'string' },
};
const READY_API: PathApi = {
  ...pageApi(
    'Whether the node should get requests',
    { '200': answer('Ready', READINESS), '503': answer('Not ready, and why', READINESS) },
    [VERBOSE],
  ),
};

/** What OpenAPI says of a page that is only read. */
export function pageApi(
  summary: string,
  responses: ApiOperation['responses'],
  parameters: readonly ApiParameter[] = [],
): PathApi {
  const get = { summary, parameters, responses: { ...responses, ...OTHER } };
  return { get, head: { ...get, summary: `The headers of: ${summary}` } };
}

type Answer = (request: HttpRequest, response: HttpResponse, query: string) => void | Promise<void>;

/** A page that is only read. */
export function createPlainRoute(
  path: string,
  api: PathApi,
  carryOut: Answer,
  operation = operationOf(path),
): HttpRoute {
  return {
    path,
    api,
    operation: () => operation,
    serve: readOnly((request, response, { query }) => carryOut(request, response, query)),
  };
}

/** Answers GET and HEAD, and refuses other methods. */
export function readOnly(serve: HttpRoute['serve']): HttpRoute['serve'] {
  return (request, response, around) => {
    if (request.method === 'GET' || request.method === 'HEAD') return serve(request, response, around);
    return sendMethodNotAllowed(request, response, 'GET, HEAD');
  };
}

/** 200 when ready, else 503; the reasons as lines of text, with `?verbose` as JSON. */
function sendReadiness(
  request: HttpRequest,
  response: HttpResponse,
  query: string,
  { isReady, role, state, reasons, recovery }: Readiness,
): void {
  const code = isReady ? 200 : 503;
  if (new URLSearchParams(query).has('verbose')) {
    const body = `${JSON.stringify({ ready: isReady, role, state, reasons, recovery })}\n`;
    send(request, response, code, { 'content-type': 'application/json', 'cache-control': 'no-store' }, body);
    return;
  }
  const first = isReady ? 'ok' : `not ready: ${state}`;
  sendText(request, response, code, `${[first, ...reasons].join('\n')}\n`);
}

async function sendMetrics(request: HttpRequest, response: HttpResponse, metrics: Metrics): Promise<void> {
  const text = await metrics.render();
  send(request, response, 200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }, text);
}
