/** The page of a node, and what it says of itself to those who ask `/` for text. */
import { toJson } from '@bufbuild/protobuf';
import { StatusResponseSchema } from '#gen/walnut/v1/admin_pb.ts';
import type { LatestAccess } from '#model/hot-keys.ts';
import type { NodeStatus } from '#model/status.ts';
import { createPage, type PageOptions } from '#page/create-page.ts';
import type { LiveEdge } from '#page/live-route.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { HottestKey } from '#server/hottest-key.ts';
import { fromStatus } from '#wire/status-codec.ts';

/** The page reads fields that have their default, too. */
export const WHOLE = { alwaysEmitImplicit: true };

export type PageBase = Pick<PageOptions, 'version' | 'clock' | 'metrics'>;

/** `status`: the node's, as the server shows it. `latest`: the key that was used last. */
export function createNodePage(
  status: () => NodeStatus,
  latest: () => LatestAccess | undefined,
  { version, clock, metrics }: PageBase,
  edge: LiveEdge,
): HttpRoute[] {
  const hottest = new HottestKey();
  const view = (): unknown => ({
    ...(toJson(StatusResponseSchema, fromStatus(status()), WHOLE) as object),
    hottest: hottest.look(latest()),
  });
  const text = (): string => pageText(status(), version);
  return createPage({ kind: 'node', version, clock, metrics, view, text }, edge);
}

function pageText(status: NodeStatus, version: string): string {
  return `Walnut ${version}: a replicated in-memory cache with a write-ahead log
This node is a ${status.role}, state ${status.state}, ${status.isReady ? 'ready' : 'not ready'}.

/v1/keys/{key}           GET, HEAD, PUT, DELETE one value; ?ttl=30s on PUT, ?explain on GET, POST ?increment=1
/v1/keys?prefix={text}   the entries by prefix, as JSON or NDJSON
/v1/watch?prefix={text}  changes as they happen, as server-sent events
/walnut.v1.KVStore/*     the same and more over Connect, gRPC and gRPC-Web
/walnut.v1.Admin/Status  what this node is doing (POST {} as application/json)
/                        in a browser, a page of all this
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
}
