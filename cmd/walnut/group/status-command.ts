/** `walnut status`: shows the state of a node and, on a master, its replicas. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type {
  IntegrityStatus,
  MemberStatus,
  ObserversStatus,
  ReplicaStatus,
  StatusResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import type { GetClusterResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { parseDurationMs } from '../arguments.ts';
import { untilInterrupted } from '../call/call-error.ts';
import { createNodeClients } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { gatewayJson, gatewayText } from '../cluster/gateway-view.ts';
import { showRuns } from '../cluster/slot-runs.ts';
import { type CommandHost, type Invocation, show, showAgain } from '../command-host.ts';
import {
  countOf,
  enumName,
  showBytes,
  showCount,
  showDeadline,
  showDuration,
  showLag,
  showPosition,
} from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { describeDelay } from './delay-command.ts';
import { type AskedNode, groupOf, renderGroup, statusCall, unwellOf } from './group-status.ts';
import { statusToJson } from './status-json.ts';

const WATCH_MS_DEFAULT = 1_000;
const WATCH_MS_MIN = 100;

interface StatusOptions {
  /** `true` if no interval was given. */
  readonly watch?: number | true;
  readonly all?: boolean;
}

export function addStatusCommand(program: Command, host: CommandHost): void {
  program
    .command('status')
    .summary('show the state of a node and its replicas, or of its whole group')
    .description(
      'Shows role, state, positions, log and store and, on a master, the replicas with their lag. Of a gateway it shows the cluster.',
    )
    .option('--watch [interval]', 'show again every second, or every INTERVAL, until Ctrl-C', parseDurationMs)
    .option(
      '--all',
      'ask every node of the group, and show each on a line; exits 1 if one is not ready or does not answer',
    )
    .addHelpText(
      'after',
      `
Examples:
  walnut status
  walnut status --all
  walnut status --address 127.0.0.1:8081
  walnut status --watch 500ms
  walnut status --json | jq .replicas`,
    )
    .action(host.action<StatusOptions>(runStatus));
}

async function runStatus(invocation: Invocation, options: StatusOptions): Promise<ExitCode> {
  const { io } = invocation;
  const look = options.all === true ? lookAtGroup : lookAtNode;
  if (options.watch === undefined) {
    const view = await look(invocation);
    await show(invocation, view.json, view.text);
    if (view.failure !== undefined) throw view.failure;
    return EXIT.ok;
  }
  const intervalMs = Math.max(WATCH_MS_MIN, options.watch === true ? WATCH_MS_DEFAULT : options.watch);
  while (!io.interrupted.aborted) {
    const view = await untilInterrupted(look(invocation));
    if (view === undefined) break;
    await showAgain(invocation, view.json, view.text);
    await delay(intervalMs, undefined, { signal: io.interrupted }).catch(() => {});
  }
  return EXIT.ok;
}

/** What there is to show, at one moment. */
interface View {
  readonly json: () => unknown;
  readonly text: () => string;
  readonly failure?: CliError | undefined;
}

async function lookAtNode(invocation: Invocation): Promise<View> {
  const status = await createNodeClients(invocation.address).admin.status({}, statusCall(invocation.io));
  if (status.cluster !== undefined) return viewOfGateway(status, status.cluster, invocation);
  return { json: () => statusToJson(status), text: () => renderStatus(status, invocation) };
}

/** A gateway shows the whole cluster. */
function viewOfGateway(status: StatusResponse, cluster: GetClusterResponse, invocation: Invocation): View {
  return {
    json: () => gatewayJson(status, cluster),
    text: () => gatewayText(status, cluster, invocation),
  };
}

async function lookAtGroup(invocation: Invocation): Promise<View> {
  const { address } = invocation;
  const first = await createNodeClients(address).admin.status({}, statusCall(invocation.io));
  if (first.cluster !== undefined) return viewOfGateway(first, first.cluster, invocation);
  const group = await groupOf(address, first, invocation.io);
  const toJson = ({ address, status }: AskedNode): Record<string, unknown> =>
    status instanceof CliError
      ? { address, error: status.message }
      : { address, status: statusToJson(status) };
  return {
    json: () => ({ nodes: group.nodes.map(toJson), whole: group.isWhole }),
    text: () => renderGroup(group, invocation),
    failure: unwellOf(group),
  };
}

function showMember({ cluster, node, group, owned }: MemberStatus): string {
  if (group === '') return `${node} of cluster ${cluster}, in no group yet`;
  const slots =
    owned === undefined ? 'its log does not say its slots yet' : `slots ${showRuns(owned.ranges)}`;
  return `${node} of group ${group} of cluster ${cluster}, ${slots}`;
}

function renderStatus(status: StatusResponse, { colors, address }: Invocation): string {
  const { store, master } = status;
  const ready = status.ready ? colors.green('ready') : colors.yellow('not ready');
  const facts: [string, string][] = [
    ['node', `${address.text}  ${status.nodeId}`],
    ['role', `${enumName(Role, status.role)}, term ${status.term}`],
    ['state', `${showState(status.state, colors)}, ${ready}`],
    ...(status.member === undefined ? [] : [['member', showMember(status.member)] as [string, string]]),
    ...status.reasons.map((reason): [string, string] => ['reason', colors.yellow(reason)]),
    ['position', showPosition(status.position)],
    ['LSN', `applied ${status.appliedLsn}, durable ${status.durableLsn}, log from ${status.earliestLsn}`],
    ['log', describeLog(status)],
    ['store', `${countOf(store?.entries ?? 0, 'entry', 'entries')}, ${showBytes(store?.bytes ?? 0)}`],
    ['gets', `${countOf(store?.hits ?? 0, 'hit')}, ${countOf(store?.misses ?? 0, 'miss', 'misses')}`],
    ['removed', `${showCount(store?.evicted ?? 0)} evicted, ${showCount(store?.expired ?? 0)} expired`],
  ];
  if (master !== undefined) {
    const linked = master.linked ? colors.green('linked') : colors.red('not linked');
    const lag = `${countOf(master.lagRecords, 'record')}, ${showLag(master.lagMs)} behind`;
    facts.push(['master', `${master.address}, ${linked}, ${lag}`]);
    facts.push(['digests', renderComparisons(status.integrity)]);
  }
  if (status.delay !== undefined) facts.push(['delay', describeDelay(status.delay)]);
  facts.push(['memory', renderScrubs(status.integrity)]);
  facts.push(['up', `${showDuration(status.uptimeMs)}, version ${status.version}`]);
  if (status.observers !== undefined) facts.push(['observers', describeObservers(status.observers, colors)]);
  return renderFacts(colors, facts) + renderReplicas(status, colors);
}

function describeObservers({ count, furthest, different }: ObserversStatus, colors: Colors): string {
  const [first] = furthest;
  const lag = first === undefined ? '' : `, at most ${countOf(first.lagRecords, 'record')} behind`;
  return `${showCount(count)}${lag}${different === 0 ? '' : colors.red(`, ${showCount(different)} different`)}`;
}

function describeLog({ wal, logId }: StatusResponse): string {
  const size = `${countOf(wal?.segments ?? 0, 'segment')}, ${showBytes(wal?.bytes ?? 0)}`;
  return `${size}, format level ${wal?.formatLevel ?? 0}, id ${logId || '-'}`;
}

function renderComparisons(integrity: IntegrityStatus | undefined): string {
  const { digestComparisons = 0n, digestMismatches = 0n } = integrity ?? {};
  return `${showCount(digestComparisons)} compared with the master, ${showCount(digestMismatches)} differed`;
}

function renderScrubs(integrity: IntegrityStatus | undefined): string {
  const { scrubs = 0n, alteredFound = 0n, rebuilds = 0n, lastScrubAtMs = 0n } = integrity ?? {};
  const last = lastScrubAtMs === 0n ? '' : `, the last at ${showDeadline(lastScrubAtMs)}`;
  return `${countOf(scrubs, 'scrub')}${last}, ${countOf(alteredFound, 'altered entry', 'altered entries')}, ${countOf(rebuilds, 'rebuild')}`;
}

function renderReplicas(status: StatusResponse, colors: Colors): string {
  if (status.replicas.length === 0) return status.role === Role.MASTER ? '\nno replicas\n' : '';
  const head = ['REPLICA', 'STATE', 'ACKED', 'BEHIND', 'FOR', 'FULL', 'PARTIAL'];
  const rows = status.replicas.map((replica) => [
    replica.address,
    showReplicaState(replica, colors) + (replica.different ? colors.red(' different') : ''),
    showPosition(replica.acked),
    showCount(replica.lagRecords),
    showLag(replica.lagMs),
    String(replica.fullResyncs),
    String(replica.partialResyncs),
  ]);
  const of = (name: string, told: (replica: ReplicaStatus) => string): string => {
    const facts = status.replicas
      .filter((replica) => told(replica) !== '')
      .map((replica): [string, string] => [replica.address, told(replica)]);
    return facts.length === 0 ? '' : `\n${name}\n${renderFacts(colors, facts)}`;
  };
  const problems = of('problems', ({ problem }) => (problem === '' ? '' : colors.yellow(problem)));
  const resyncs = of('last full resyncs', ({ lastFullResyncReason }) => lastFullResyncReason);
  return `\n${renderTable(colors, head, rows)}${problems}${resyncs}`;
}

function showReplicaState({ state, applyDelayMs }: ReplicaStatus, colors: Colors): string {
  const name = showState(state, colors);
  return applyDelayMs === 0n ? name : `${name} by ${showDuration(applyDelayMs)}`;
}

function showState(state: NodeState, colors: Colors): string {
  const name = enumName(NodeState, state);
  const isGood = state === NodeState.SERVING || state === NodeState.STREAMING || state === NodeState.DELAYED;
  if (isGood) return colors.green(name);
  const isBad =
    state === NodeState.QUARANTINED ||
    state === NodeState.FENCED ||
    state === NodeState.NO_SPACE ||
    state === NodeState.NO_LEASE;
  return isBad ? colors.red(name) : colors.yellow(name);
}
