/** `walnut status`: what a node is doing, and on a master its replicas. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Command } from 'commander';
import type { IntegrityStatus, ReplicaStatus, StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { parseDurationMs } from './arguments.ts';
import { EXIT, type ExitCode } from './cli-error.ts';
import type { Colors } from './cli-io.ts';
import { type CommandHost, type Invocation, show } from './command-host.ts';
import { CALL, createNodeClients } from './connection.ts';
import { delayToJson, describeDelay } from './delay-command.ts';
import {
  enumName,
  renderFacts,
  renderTable,
  showBytes,
  showCount,
  showDeadline,
  showDuration,
  showPosition,
} from './output.ts';

const WATCH_MS_DEFAULT = 1_000;
const WATCH_MS_MIN = 100;
const CLEAR_SCREEN = '\u001b[H\u001b[2J';

interface StatusOptions {
  /** `true` without an interval. */
  readonly watch?: number | true;
}

export function addStatusCommand(program: Command, host: CommandHost): void {
  program
    .command('status')
    .summary('what a node is doing, and its replicas')
    .description('Shows role, state, positions, log, store and, on a master, the replicas with their lag.')
    .option('--watch [interval]', 'show again every second, or interval, until Ctrl-C', parseDurationMs)
    .addHelpText(
      'after',
      `
Examples:
  walnut status
  walnut status --address 127.0.0.1:8081
  walnut status --watch 500ms
  walnut status --json | jq .replicas`,
    )
    .action(host.action<StatusOptions>(runStatus));
}

async function runStatus(invocation: Invocation, options: StatusOptions): Promise<ExitCode> {
  const { io } = invocation;
  const { admin } = createNodeClients(invocation.address);
  if (options.watch === undefined) {
    const status = await admin.status({}, CALL);
    await show(
      invocation,
      () => statusToJson(status),
      () => renderStatus(status, invocation),
    );
    return EXIT.ok;
  }
  const intervalMs = Math.max(WATCH_MS_MIN, options.watch === true ? WATCH_MS_DEFAULT : options.watch);
  while (!io.interrupted.aborted) {
    const status = await admin.status({}, CALL);
    if (invocation.isJson) await io.write(`${JSON.stringify(statusToJson(status))}\n`);
    else await io.write(`${io.isOutTerminal ? CLEAR_SCREEN : ''}${renderStatus(status, invocation)}\n`);
    await delay(intervalMs, undefined, { signal: io.interrupted }).catch(() => {});
  }
  return EXIT.ok;
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
    wal: { segments: wal?.segments ?? 0, bytes: Number(wal?.bytes ?? 0) },
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
    replicas: status.replicas.map(replicaToJson),
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
  const { wal, store, master } = status;
  const ready = status.ready ? colors.green('ready') : colors.yellow('not ready');
  const facts: [string, string][] = [
    ['node', `${address.text}  ${status.nodeId}`],
    ['role', `${enumName(Role, status.role)}, term ${status.term}`],
    ['state', `${showState(status.state, colors)}, ${ready}`],
    ...status.reasons.map((reason): [string, string] => ['reason', colors.yellow(reason)]),
    ['position', showPosition(status.position)],
    ['LSN', `applied ${status.appliedLsn}, durable ${status.durableLsn}, log from ${status.earliestLsn}`],
    ['log', `${wal?.segments ?? 0} segments, ${showBytes(wal?.bytes ?? 0)}, id ${status.logId || '-'}`],
    ['store', `${showCount(store?.entries ?? 0)} entries, ${showBytes(store?.bytes ?? 0)}`],
    ['gets', `${showCount(store?.hits ?? 0)} hits, ${showCount(store?.misses ?? 0)} misses`],
    ['removed', `${showCount(store?.evicted ?? 0)} evicted, ${showCount(store?.expired ?? 0)} expired`],
  ];
  if (master !== undefined) {
    const linked = master.linked ? colors.green('linked') : colors.red('not linked');
    const lag = `${showCount(master.lagRecords)} records, ${showDuration(master.lagMs)} behind`;
    facts.push(['master', `${master.address}, ${linked}, ${lag}`]);
    facts.push(['digests', renderComparisons(status.integrity)]);
  }
  if (status.delay !== undefined) facts.push(['delay', describeDelay(status.delay)]);
  facts.push(['memory', renderScrubs(status.integrity)]);
  facts.push(['up', `${showDuration(status.uptimeMs)}, version ${status.version}`]);
  return renderFacts(colors, facts) + renderReplicas(status, colors);
}

function renderComparisons(integrity: IntegrityStatus | undefined): string {
  const { digestComparisons = 0n, digestMismatches = 0n } = integrity ?? {};
  return `${showCount(digestComparisons)} compared with the master, ${showCount(digestMismatches)} differed`;
}

function renderScrubs(integrity: IntegrityStatus | undefined): string {
  const { scrubs = 0n, alteredFound = 0n, rebuilds = 0n, lastScrubAtMs = 0n } = integrity ?? {};
  const last = lastScrubAtMs === 0n ? '' : `, the last at ${showDeadline(lastScrubAtMs)}`;
  return `${showCount(scrubs)} scrubs${last}, ${showCount(alteredFound)} altered entries, ${showCount(rebuilds)} rebuilds`;
}

function renderReplicas(status: StatusResponse, colors: Colors): string {
  if (status.replicas.length === 0) return status.role === Role.MASTER ? '\nno replicas\n' : '';
  const head = ['REPLICA', 'STATE', 'ACKED', 'BEHIND', 'FOR', 'RESYNCS', 'LAST FULL RESYNC'];
  const rows = status.replicas.map((replica) => [
    replica.address,
    showReplicaState(replica, colors) + (replica.different ? colors.red(' different') : ''),
    showPosition(replica.acked),
    showCount(replica.lagRecords),
    showDuration(replica.lagMs),
    `${replica.fullResyncs} full, ${replica.partialResyncs} partial`,
    replica.lastFullResyncReason || '-',
  ]);
  const problems = status.replicas
    .filter(({ problem }) => problem !== '')
    .map(({ address, problem }) => `${address}: ${colors.yellow(problem)}\n`);
  return `\n${renderTable(colors, head, rows)}${problems.join('')}`;
}

function showReplicaState({ state, applyDelayMs }: ReplicaStatus, colors: Colors): string {
  const name = showState(state, colors);
  return applyDelayMs === 0n ? name : `${name} by ${showDuration(applyDelayMs)}`;
}

function showState(state: NodeState, colors: Colors): string {
  const name = enumName(NodeState, state);
  const isGood = state === NodeState.SERVING || state === NodeState.STREAMING || state === NodeState.DELAYED;
  if (isGood) return colors.green(name);
  const isBad = state === NodeState.QUARANTINED || state === NodeState.FENCED || state === NodeState.NO_SPACE;
  return isBad ? colors.red(name) : colors.yellow(name);
}
