/** `walnut status --all`: every node of the group of a node, asked at the same time. */
import type { Endpoint } from '#dial/endpoint.ts';
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { InterruptedCallError } from '../call/call-error.ts';
import { type CallOptions, callWithin, createNodeClients, type Interruptible } from '../call/connection.ts';
import { CliError, describeFailure, EXIT } from '../cli-error.ts';
import { type Invocation, parseToldAddress, toArgument } from '../command-host.ts';
import { enumName, showBytes, showCount, showDuration, showLag, showPosition } from '../output/output.ts';
import { renderFacts, renderTable } from '../output/table.ts';
import type { Colors } from '../output/terminal.ts';

/** For each node: Status is answered from memory, so one that is silent for longer is stopped or stuck. */
export const STATUS_MS_MAX = 3_000;

export function statusCall(io: Interruptible): CallOptions {
  return callWithin(STATUS_MS_MAX, io);
}

export interface AskedGroup {
  /** The master first, where one is known, then its replicas. */
  readonly nodes: readonly AskedNode[];
  /** False where the master did not answer: only it knows all its replicas. */
  readonly isWhole: boolean;
}

export interface AskedNode {
  readonly address: string;
  readonly endpoint: Endpoint;
  /** The answer, or why there is none. */
  readonly status: StatusResponse | CliError;
}

/** `first`: what `asked` answered. Rejects where that is a gateway. */
export async function groupOf(
  asked: Endpoint,
  first: StatusResponse,
  io: Interruptible,
): Promise<AskedGroup> {
  refuseGateway(asked, first);
  const upstream = first.role === Role.MASTER ? '' : (first.master?.address ?? '');
  if (upstream === '') {
    const nodes = [answered(asked, first), ...(await askReplicas(first, asked, [], io))];
    return { nodes, isWhole: first.role === Role.MASTER };
  }
  const at = parseToldAddress(upstream, asked);
  const master = await askNode(at, io);
  const own = answered(asked, first);
  if (master.status instanceof CliError) return { nodes: [master, own], isWhole: false };
  const others = await askReplicas(master.status, at, [asked.text, first.nodeId], io);
  return { nodes: [master, own, ...others], isWhole: true };
}

/** Throws where a gateway answered, which belongs to no group. */
export function refuseGateway(asked: Endpoint, { cluster }: StatusResponse): void {
  if (cluster === undefined) return;
  throw new CliError(
    EXIT.usage,
    `${asked.text} is the gateway of a cluster, and this is about one node or its group`,
    `Name a node: --address HOST:PORT; they are listed by: walnut cluster nodes --address ${toArgument(asked)}`,
  );
}

function answered(endpoint: Endpoint, status: AskedNode['status']): AskedNode {
  return { address: endpoint.text, endpoint, status };
}

/** `except`: addresses and ids of nodes that were asked already; a master may know a node by another address. */
function askReplicas(
  master: StatusResponse,
  by: Endpoint,
  except: readonly string[],
  io: Interruptible,
): Promise<AskedNode[]> {
  const others = master.replicas.filter(
    ({ address, nodeId }) => !except.includes(address) && !except.includes(nodeId),
  );
  return Promise.all(others.map(({ address }) => askNode(parseToldAddress(address, by), io)));
}

export async function askNode(endpoint: Endpoint, io: Interruptible): Promise<AskedNode> {
  const status = await createNodeClients(endpoint)
    .admin.status({}, statusCall(io))
    .catch((error: unknown) => {
      if (error instanceof InterruptedCallError) throw error;
      return describeFailure(error, toArgument(endpoint));
    });
  return answered(endpoint, status);
}

/** Undefined where every node of the group is known, answers and is ready. */
export function unwellOf({ nodes, isWhole }: AskedGroup): CliError | undefined {
  const unwell = nodes.filter(({ status }) => status instanceof CliError || !status.ready);
  const named = unwell.map(({ address }) => address).join(', ');
  const found = named === '' ? [] : [`no answer, or not ready: ${named}`];
  if (!isWhole) found.push(UNKNOWN);
  if (found.length === 0) return undefined;
  const advice = isWhole ? undefined : 'Ask each of them: walnut status --address HOST:PORT';
  return new CliError(EXIT.negative, found.join('; '), advice);
}

const UNKNOWN = 'other nodes are not known without the master';

export function renderGroup({ nodes, isWhole }: AskedGroup, { colors }: Invocation): string {
  const head = ['NODE', 'ROLE', 'STATE', 'READY', 'POSITION', 'BEHIND', 'ENTRIES', 'STORE', 'HITS', 'UP'];
  const rows = nodes.map(({ address, status }) =>
    status instanceof CliError ? [address, '-', colors.red('no answer')] : [address, ...cellsOf(status)],
  );
  const notes = nodes.flatMap(({ address, status }): [string, string][] =>
    status instanceof CliError
      ? [[address, colors.red(status.message)]]
      : status.reasons.map((reason) => [address, colors.yellow(reason)]),
  );
  return renderNodes({ head, rows, notes, isWhole }, colors);
}

/** Nodes of a group, a row each. */
interface NodeTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
  /** What there is to say of some, by address. */
  readonly notes: readonly (readonly [string, string])[];
  /** As in `AskedGroup`. */
  readonly isWhole: boolean;
}

export function renderNodes({ head, rows, notes, isWhole }: NodeTable, colors: Colors): string {
  const unknown: [string, string] = ['other nodes', colors.yellow('not known without the master')];
  const below = isWhole ? notes : [...notes, unknown];
  const facts = below.length === 0 ? '' : `\n${renderFacts(colors, below)}`;
  return `${renderTable(colors, head, rows)}${facts}`;
}

function cellsOf(status: StatusResponse): string[] {
  const { store, master } = status;
  const gets = Number(store?.hits ?? 0) + Number(store?.misses ?? 0);
  return [
    enumName(Role, status.role),
    enumName(NodeState, status.state),
    status.ready ? 'yes' : 'no',
    showPosition(status.position),
    master === undefined ? '-' : showLag(master.lagMs),
    showCount(store?.entries ?? 0),
    showBytes(store?.bytes ?? 0),
    gets === 0 ? '-' : `${Math.round((100 * Number(store?.hits ?? 0)) / gets)} %`,
    showDuration(status.uptimeMs),
  ];
}
