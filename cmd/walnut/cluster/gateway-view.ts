/** What `walnut status` shows where a gateway answers: the gateway, and the cluster as the gateway describes it. Pure. */
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { GetClusterResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { NodeState } from '#gen/walnut/v1/types_pb.ts';
import type { Invocation } from '../command-host.ts';
import { enumName, showDuration } from '../output/output.ts';
import { renderFacts } from '../output/table.ts';
import { clusterJson, clusterText } from './cluster-views.ts';

export function gatewayJson(status: StatusResponse, cluster: GetClusterResponse): Record<string, unknown> {
  const { state, ready, reasons, uptimeMs, version } = status;
  return {
    role: 'gateway',
    state: enumName(NodeState, state),
    ...{ ready, reasons, version },
    uptimeMs: Number(uptimeMs),
    cluster: clusterJson(cluster),
  };
}

export function gatewayText(
  { state, ready, reasons, uptimeMs, version }: StatusResponse,
  cluster: GetClusterResponse,
  { colors, address }: Pick<Invocation, 'colors' | 'address'>,
): string {
  const isReady = ready ? colors.green('ready') : colors.yellow('not ready');
  const facts = renderFacts(colors, [
    ['gateway', address.text],
    ['state', `${enumName(NodeState, state)}, ${isReady}`],
    ...reasons.map((reason): [string, string] => ['reason', colors.yellow(reason)]),
    ['up', `${showDuration(uptimeMs)}, version ${version}`],
  ]);
  const note = cluster.isActive
    ? ''
    : 'no active coordinator answers the gateway: this is its map, which says nothing of who is heard';
  return `${facts}\n${clusterText(colors, cluster, note)}`;
}
