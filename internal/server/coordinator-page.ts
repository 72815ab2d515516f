/** The page of a coordinator, and what it says of itself to those who ask `/` for text. */
import { toJson } from '@bufbuild/protobuf';
import type { CoordinatorPort } from '#cluster/coordinator-port.ts';
import { GetClusterResponseSchema, ListNodesResponseSchema } from '#gen/walnut/v1/coordinator_pb.ts';
import { createPage } from '#page/create-page.ts';
import type { LiveEdge } from '#page/live-route.ts';
import type { HttpRoute } from '#rpc/http-routes.ts';
import { type PageBase, WHOLE } from '#server/node-page.ts';
import { fromClusterView, fromNodesView } from '#wire/coordinator-codec.ts';

export function createCoordinatorPage(
  coordinator: CoordinatorPort,
  { version, clock, metrics }: PageBase,
  edge: LiveEdge,
): HttpRoute[] {
  const view = (): unknown => viewOf(coordinator, version);
  const text = (): string => pageText(coordinator, version);
  return createPage({ kind: 'coordinator', version, clock, metrics, view, text }, edge);
}

/** Groups and nodes are absent until the metadata store was read. */
function viewOf(coordinator: CoordinatorPort, version: string): unknown {
  const readiness = coordinator.readiness();
  if (readiness.state === 'loading') return { readiness };
  const cluster = toJson(GetClusterResponseSchema, fromClusterView(coordinator.cluster(), version), WHOLE);
  const nodes = toJson(ListNodesResponseSchema, fromNodesView(coordinator.nodes()), WHOLE);
  return { readiness, cluster, nodes };
}

function pageText(coordinator: CoordinatorPort, version: string): string {
  const { state, isReady } = coordinator.readiness();
  return `Walnut ${version}: the coordinator of a cluster
This coordinator is ${state}, ${isReady ? 'ready' : 'not ready'}.

/v1/map                  the map of the cluster, as JSON
/walnut.v1.Coordinator/* the same and more over Connect, gRPC and gRPC-Web
/                        in a browser, a page of all this
/livez  /readyz          health; /readyz?verbose as JSON
/metrics                 Prometheus
/openapi.json            all of it, for programs
`;
}
