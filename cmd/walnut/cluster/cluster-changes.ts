/** `walnut cluster init`, `failover` and `drain`: changes of the map, each safe to repeat. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Endpoint } from '#dial/endpoint.ts';
import { NodeStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import type { InitClusterRequestSchema, InitClusterResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { createNodeClock } from '#platform/node-clock.ts';
import { CALL } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, show, usageError } from '../command-host.ts';
import type { ClusterOptions, PlannedGroup } from './cluster-options.ts';
import { endpointsOf, readMap } from './cluster-reads.ts';
import { callCoordinators } from './coordinators.ts';

/** How often the map is asked whether a planned failover is done, milliseconds. */
const POLL_MS = 100;

interface InitOptions extends ClusterOptions {
  readonly group?: readonly PlannedGroup[];
  readonly auto?: number;
}

interface FailoverOptions extends ClusterOptions {
  readonly to?: string;
  readonly timeout: number;
}

interface DrainOptions extends ClusterOptions {
  readonly undo?: boolean;
}

export async function runInit(invocation: Invocation, options: InitOptions): Promise<ExitCode> {
  const { group = [], auto } = options;
  if (group.length > 0 === (auto !== undefined))
    throw usageError('expected either --auto REPLICAS or --group ID=NODE,NODE', 'See --help of the command.');
  const request =
    auto === undefined
      ? { groups: group.map(({ id, nodes }) => ({ id, nodes: [...nodes] })) }
      : { auto: { replicas: auto } };
  const endpoints = await endpointsOf(invocation, options);
  const made = await initCluster(endpoints, request);
  const groups = made.groups.map(({ id, nodes }) => ({ id, nodes }));
  const { clusterId } = made;
  await show(
    invocation,
    () => ({ clusterId, epoch: Number(made.epoch), groups }),
    () =>
      `cluster ${clusterId}:\n${groups.map(({ id, nodes }) => `  ${id}: ${nodes.join(', ')}\n`).join('')}` +
      'See who leads with: walnut cluster status\n',
  );
  return EXIT.ok;
}

/** Makes the cluster; a repeat is answered alike. Rejects with `CallError` or `CliError`. */
export function initCluster(
  endpoints: readonly Endpoint[],
  request: MessageInitShape<typeof InitClusterRequestSchema>,
): Promise<InitClusterResponse> {
  return callCoordinators(endpoints, (client) => client.initCluster(request, CALL));
}

export async function runFailover(invocation: Invocation, options: FailoverOptions): Promise<ExitCode> {
  const group = invocation.args[0] ?? '';
  const endpoints = await endpointsOf(invocation, options);
  const request = { group, to: options.to ?? '' };
  const { to, epoch } = await callCoordinators(endpoints, (client) => client.failoverGroup(request, CALL));
  const term = options.timeout === 0 ? undefined : await untilLed(endpoints, group, to, options.timeout);
  await show(
    invocation,
    () => ({ group, to, epoch: Number(epoch), done: term !== undefined, ...(term && { term }) }),
    () => (term === undefined ? `${to} shall lead ${group}\n` : `${to} leads ${group}, term ${term}\n`),
  );
  return EXIT.ok;
}

/** Resolves with the term that the node leads. */
async function untilLed(
  endpoints: readonly Endpoint[],
  group: string,
  to: string,
  timeoutMs: number,
): Promise<number> {
  const clock = createNodeClock();
  const endMs = clock.monotonicMs() + timeoutMs;
  while (clock.monotonicMs() < endMs) {
    const recorded = (await readMap(endpoints)).groups.get(group);
    if (recorded?.leader?.node === to && recorded.next === undefined) return recorded.term;
    // The plan came to nothing: a failover decides who leads.
    if (recorded?.leader !== undefined && recorded.next === undefined)
      throw new CliError(
        EXIT.server,
        `${group} is led by ${recorded.leader.node}: ${to} did not take over`,
        'See why with: walnut cluster status, walnut cluster nodes',
      );
    await clock.sleep(POLL_MS);
  }
  throw new CliError(
    EXIT.server,
    `${to} does not lead ${group} after ${timeoutMs} ms; the plan stands`,
    'See how far it is with: walnut cluster status',
  );
}

export async function runDrain(invocation: Invocation, options: DrainOptions): Promise<ExitCode> {
  const node = invocation.args[0] ?? '';
  const isUndone = options.undo === true;
  const status = isUndone ? NodeStatus.ACTIVE : NodeStatus.DRAINING;
  const endpoints = await endpointsOf(invocation, options);
  const { epoch } = await callCoordinators(endpoints, (client) =>
    client.setNodeStatus({ node, status }, CALL),
  );
  await show(
    invocation,
    () => ({ node, draining: !isUndone, epoch: Number(epoch) }),
    () =>
      isUndone
        ? `${node} may lead again\n`
        : `${node} drains: it hands over what it leads. See when with: walnut cluster status\n`,
  );
  return EXIT.ok;
}
