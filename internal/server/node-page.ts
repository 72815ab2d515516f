/** The page at `/`: what this node is, and where to go on. */
import type { NodeStatus } from '#model/status.ts';
import { sendText } from '#rpc/http-io.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { answer, TEXT } from '#rpc/openapi/operation.ts';
import { createPlainRoute, pageApi } from '#rpc/plain-routes.ts';

/** `status`: the node's, as the server shows it. */
export function createNodePage(status: () => NodeStatus, version: string): HttpRoute {
  const api = pageApi('What this node is', { '200': answer('Text', { 'text/plain': TEXT }) });
  return createPlainRoute('/', api, (request, response) =>
    sendText(request, response, 200, pageText(status(), version)),
  );
}

function pageText(status: NodeStatus, version: string): string {
  return `Walnut ${version}: a replicated in-memory cache with a write-ahead log
This node is a ${status.role}, state ${status.state}, ${status.isReady ? 'ready' : 'not ready'}.

/v1/keys/{key}           GET, HEAD, PUT, DELETE one value; ?ttl=30s on PUT, ?explain on GET, POST ?increment=1
/v1/keys?prefix={text}   the entries by prefix, as JSON or NDJSON
/v1/watch?prefix={text}  changes as they happen, as server-sent events
/walnut.v1.KVStore/*     the same and more over Connect, gRPC and gRPC-Web
/walnut.v1.Admin/Status  what this node is doing (POST {} as application/json)
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
}
