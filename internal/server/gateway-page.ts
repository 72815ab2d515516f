/** The page of a gateway, and what it says of itself to those who ask `/` for text. */
import { toJson } from '@bufbuild/protobuf';
import type { GatewayPort } from '#cluster/gateway-port.ts';
import { GetClusterResponseSchema, ListNodesResponseSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { createPage } from '#page/create-page.ts';
import type { LiveEdge } from '#page/live-route.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { type PageBase, WHOLE } from '#server/node-page.ts';
import { clusterOfMap, nodesOfMap } from '#wire/map-views.ts';

export function createGatewayPage(
  gateway: GatewayPort,
  { version, clock, metrics }: PageBase,
  edge: LiveEdge,
): HttpRoute[] {
  const view = (): unknown => viewOf(gateway, version);
  const text = (): string => pageText(gateway, version);
  return createPage({ kind: 'gateway', version, clock, metrics, view, text }, edge);
}

/** Groups as the gateway sees them, and their members as its map lists them. */
function viewOf(gateway: GatewayPort, version: string): unknown {
  const cluster = toJson(GetClusterResponseSchema, clusterOfMap(gateway.map, version), WHOLE);
  const nodes = toJson(ListNodesResponseSchema, nodesOfMap(gateway.map), WHOLE);
  return { readiness: gateway.readiness(), ...gateway.view(), cluster, nodes };
}

function pageText(gateway: GatewayPort, version: string): string {
  const { state, isReady } = gateway.readiness();
  return `Walnut ${version}: the gateway of a cluster
This gateway is ${state}, ${isReady ? 'ready' : 'not ready'}.

/v1/keys/{key}           GET, HEAD, PUT, DELETE one value; ?ttl=30s on PUT, ?explain on GET, POST ?increment=1
/v1/keys?prefix={text}   the entries by prefix, as JSON or NDJSON
/v1/watch?prefix={text}  changes as they happen, as server-sent events
/walnut.v1.KVStore/*     the same and more over Connect, gRPC and gRPC-Web
/walnut.v1.Admin/Status  the cluster as a whole; walnut status shows it
/                        in a browser, a page of all this
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
}
