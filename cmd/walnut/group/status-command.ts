/** `walnut status`: shows the state of a node and, on a master, its replicas. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type {
  IntegrityStatus,
  ObserversStatus,
  ReplicaStatus,
  StatusResponse,
} from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { parseDurationMs } from '../arguments.ts';
import { createNodeClients } from '../call/connection.ts';
import { CliError, EXIT, type ExitCode } from '../cli-error.ts';
import { type CommandHost, type Invocation, show, showAgain } from '../command-host.ts';
import {
  countOf,
  enumName,
  showBytes,
  showCount,
  showDeadline,
  showDuration,
  showPosition,
} from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';
import { clockToJson } from './clock-command.ts';
import { delayToJson, describeDelay } from './delay-command.ts';
import { type AskedNode, askGroup, renderGroup, STATUS, unwellOf } from './group-status.ts';

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
    .description('Shows role, state, positions, log and store and, on a master, the replicas with their lag.')
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
    const view = await look(invocation);
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
  const status = await createNodeClients(invocation.address).admin.status({}, STATUS);
  return { json: () => statusToJson(status), text: () => renderStatus(status, invocation) };
}

async function lookAtGroup(invocation: Invocation): Promise<View> {
  const group = await askGroup(invocation.address);
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

export function statusToJson(status: StatusResponse): Record<string, unknown> {
  const { wal, store, master } = status;
  return {
    nodeId: status.nodeId,
    role: enumName(Role, status.role),
    state: enumName(NodeState, status.state),
    ready: status.ready,
    reasons: status.reasons,
    logId: status.logId,
    term: status.term,
    promotions: status.promotions,
    position: showPosition(status.position),
    durableLsn: Number(status.durableLsn),
    appliedLsn: Number(status.appliedLsn),
    earliestLsn: Number(status.earliestLsn),
    wal: {
      segments: wal?.segments ?? 0,
      bytes: Number(wal?.bytes ?? 0),
      formatLevel: wal?.formatLevel ?? 0,
    },
    store: {
      entries: Number(store?.entries ?? 0),
      bytes: Number(store?.bytes ?? 0),
      maxEntries: Number(store?.maxEntries ?? 0),
      maxBytes: Number(store?.maxBytes ?? 0),
      hits: Number(store?.hits ?? 0),
      misses: Number(store?.misses ?? 0),
      evicted: Number(store?.evicted ?? 0),
      expired: Number(store?.expired ?? 0),
    },
    ...(master === undefined
      ? {}
      : {
          master: {
            address: master.address,
            linked: master.linked,
            lagRecords: Number(master.lagRecords),
            lagMs: Number(master.lagMs),
          },
        }),
    ...(status.delay === undefined ? {} : { delay: delayToJson(status.delay) }),
    ...(status.clock === undefined ? {} : { clock: clockToJson(status.clock) }),
    replicas: status.replicas.map(replicaToJson),
    ...(status.observers === undefined
      ? {}
      : {
          observers: {
            count: status.observers.count,
            furthest: status.observers.furthest.map(replicaToJson),
            different: status.observers.different,
          },
        }),
    integrity: {
      digestComparisons: Number(status.integrity?.digestComparisons ?? 0),
      digestMismatches: Number(status.integrity?.digestMismatches ?? 0),
      rebuilds: Number(status.integrity?.rebuilds ?? 0),
      scrubs: Number(status.integrity?.scrubs ?? 0),
      alteredFound: Number(status.integrity?.alteredFound ?? 0),
      scrubFraction: status.integrity?.scrubFraction ?? 0,
      lastScrubAtMs: Number(status.integrity?.lastScrubAtMs ?? 0),
    },
    uptimeMs: Number(status.uptimeMs),
    version: status.version,
  };
}

function replicaToJson(replica: ReplicaStatus): Record<string, unknown> {
  return {
    nodeId: replica.nodeId,
    address: replica.address,
    state: enumName(NodeState, replica.state),
    acked: showPosition(replica.acked),
    lagRecords: Number(replica.lagRecords),
    lagMs: Number(replica.lagMs),
    fullResyncs: replica.fullResyncs,
    partialResyncs: replica.partialResyncs,
    lastFullResyncReason: replica.lastFullResyncReason,
    different: replica.different,
    applyDelayMs: Number(replica.applyDelayMs),
    problem: replica.problem,
  };
}

function renderStatus(status: StatusResponse, { colors, address }: Invocation): string {
  const { store, master } = status;
  const ready = status.ready ? colors.green('ready') : colors.yellow('not ready');
  const facts: [string, string][] = [
    ['node', `${address.text}  ${status.nodeId}`],
    ['role', `${enumName(Role, status.role)}, term ${status.term}`],
    ['state', `${showState(status.state, colors)}, ${ready}`],
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
    const lag = `${countOf(master.lagRecords, 'record')}, ${showDuration(master.lagMs)} behind`;
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
    showDuration(replica.lagMs),
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
