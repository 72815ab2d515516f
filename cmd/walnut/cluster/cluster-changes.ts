/** `walnut cluster init`, `add-group`, `failover` and `drain`: changes of the map, each safe to repeat. */
import type { Endpoint } from '#dial/endpoint.ts';
import { NodeStatus } from '#gen/walnut/cluster/v1/records_pb.ts';
import { InterruptedCallError } from '../call/call-error.ts';
import { type Interruptible, shortCall } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type Invocation, show, usageError } from '../command-host.ts';
import { type ClusterOptions, type PlannedGroup, parseGroup } from './cluster-options.ts';
import { endpointsOf } from './cluster-reads.ts';
import { untilLed, untilTaken, untilWriting } from './cluster-waits.ts';
import { callCoordinators, readCall, readFromActive } from './coordinators.ts';
import { type Draining, drainingText, judgeDraining } from './draining.ts';

interface InitOptions extends ClusterOptions {
  readonly group?: readonly PlannedGroup[];
  readonly auto?: number;
  /** Milliseconds; 0: do not wait until the groups take writes. */
  readonly timeout: number;
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
  const wait = { io: invocation.io, endpoints, timeoutMs: options.timeout };
  const made = await untilTaken(wait, (client) => client.initCluster(request, shortCall(invocation.io)));
  const groups = made.groups.map(({ id, nodes }) => ({ id, nodes }));
  const { clusterId } = made;
  const takesWrites = options.timeout > 0 && (await untilWriting(wait, Number(made.epoch)));
  await show(
    invocation,
    () => ({ clusterId, epoch: Number(made.epoch), groups, takesWrites }),
    () =>
      `cluster ${clusterId}:\n${groups.map(({ id, nodes }) => `  ${id}: ${nodes.join(', ')}\n`).join('')}` +
      `${takesWrites ? 'It takes writes. ' : ''}See who leads with: walnut cluster status\n`,
  );
  return EXIT.ok;
}

interface AddGroupOptions extends ClusterOptions {
  /** Milliseconds; 0: do not wait until the group takes writes. */
  readonly timeout: number;
}

export async function runAddGroup(invocation: Invocation, options: AddGroupOptions): Promise<ExitCode> {
  const { id, nodes } = parseGroup(invocation.args[0] ?? '');
  const endpoints = await endpointsOf(invocation, options);
  const wait = { io: invocation.io, endpoints, timeoutMs: options.timeout };
  const request = { group: { id, nodes: [...nodes] } };
  const { epoch } = await untilTaken(wait, (client) => client.addGroup(request, shortCall(invocation.io)));
  const takesWrites = options.timeout > 0 && (await untilWriting(wait, Number(epoch)));
  await show(
    invocation,
    () => ({ id, nodes, epoch: Number(epoch), takesWrites }),
    () =>
      `${id}: ${nodes.join(', ')}\n${takesWrites ? 'It takes writes. ' : ''}It owns no slots: nothing moves them yet\n`,
  );
  return EXIT.ok;
}

export async function runFailover(invocation: Invocation, options: FailoverOptions): Promise<ExitCode> {
  const group = invocation.args[0] ?? '';
  const endpoints = await endpointsOf(invocation, options);
  const request = { group, to: options.to ?? '' };
  const wait = { io: invocation.io, endpoints, timeoutMs: options.timeout };
  const { to, epoch } = await untilTaken(wait, (client) =>
    client.failoverGroup(request, shortCall(invocation.io)),
  );
  const term = options.timeout === 0 ? undefined : await untilLed(wait, group, to, Number(epoch));
  await show(
    invocation,
    () => ({ group, to, epoch: Number(epoch), done: term !== undefined, ...(term && { term }) }),
    () => (term === undefined ? `${to} shall lead ${group}\n` : `${to} leads ${group}, term ${term}\n`),
  );
  return EXIT.ok;
}

export async function runDrain(invocation: Invocation, options: DrainOptions): Promise<ExitCode> {
  const node = invocation.args[0] ?? '';
  const isUndone = options.undo === true;
  const status = isUndone ? NodeStatus.ACTIVE : NodeStatus.DRAINING;
  const endpoints = await endpointsOf(invocation, options);
  const { epoch } = await callCoordinators(endpoints, (client) =>
    client.setNodeStatus({ node, status }, shortCall(invocation.io)),
  );
  const draining = isUndone ? undefined : await readDraining(invocation.io, endpoints, node);
  await show(
    invocation,
    () => ({ node, draining: !isUndone, epoch: Number(epoch), ...draining }),
    () => (isUndone ? `${node} may lead again\n` : drainingText(node, draining)),
  );
  return EXIT.ok;
}

/** Undefined where no active coordinator answers any more: the node drains all the same. */
async function readDraining(
  io: Interruptible,
  endpoints: readonly Endpoint[],
  node: string,
): Promise<Draining | undefined> {
  const call = readCall(io);
  try {
    const cluster = await readFromActive(endpoints, (client) => client.getCluster({}, call));
    const nodes = await readFromActive(endpoints, (client) => client.listNodes({}, call));
    if (cluster.note !== '' || nodes.note !== '') return undefined;
    return judgeDraining(node, cluster.answer, nodes.answer);
  } catch (error) {
    if (error instanceof CliError) return undefined;
    if (!(error instanceof InterruptedCallError)) throw error;
    const advice = 'See how far it is with: walnut cluster nodes';
    throw new CliError(EXIT.interrupted, `${node} drains; interrupted before it was known how far`, advice);
  }
}
