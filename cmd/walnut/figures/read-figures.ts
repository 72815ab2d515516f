/** Reads Status and metrics of every node of a group, or of a cluster behind a gateway, at one moment. */
import type { Endpoint } from '#dial/endpoint.ts';
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { GetClusterResponse } from '#gen/walnut/v1/coordinator_pb.ts';
import type { Role } from '#gen/walnut/v1/types_pb.ts';
import { createNodeClients, type Interruptible } from '../call/connection.ts';
import { LeanClient } from '../call/lean-client.ts';
import { CliError, describeFailure } from '../cli-error.ts';
import { parseToldAddress, toArgument } from '../command-host.ts';
import { type AskedGroup, askNode, groupOf, STATUS_MS_MAX, statusCall } from '../group/group-status.ts';
import { MetricsPage } from './metrics-page.ts';

export interface NodeReading {
  readonly address: string;
  /** When it was read: milliseconds on this machine since some fixed moment. */
  readonly atMs: number;
  readonly status: StatusResponse;
  readonly page: MetricsPage;
}

export interface SilentNode {
  readonly address: string;
  readonly failure: CliError;
  /** What its Status says, where only its metrics are missing. */
  readonly role?: Role;
}

export interface GroupReading {
  readonly nodes: readonly (NodeReading | SilentNode)[];
  /** False where the master did not answer: only it knows all its replicas. */
  readonly isWhole: boolean;
  /** Only groups of a cluster have one. */
  readonly id?: string;
}

export interface Readings {
  /** One, or all those of the cluster of a gateway. */
  readonly groups: readonly GroupReading[];
  /** What `asked` says, if it is a gateway. */
  readonly gateway: GatewayReading | undefined;
}

export interface GatewayReading {
  readonly address: string;
  readonly status: StatusResponse;
  readonly cluster: GetClusterResponse;
}

/** Rejects with `CallError` where the process does not answer, or does not show its metrics to this caller. */
export async function readPage(endpoint: Endpoint): Promise<MetricsPage> {
  const client = new LeanClient(endpoint, STATUS_MS_MAX);
  try {
    return new MetricsPage(await client.page('/metrics'));
  } finally {
    client.close();
  }
}

/** The metrics of a process, or why they are not known. */
export async function tryPage(endpoint: Endpoint): Promise<MetricsPage | CliError> {
  return readPage(endpoint).catch((error: unknown) => describeFailure(error, toArgument(endpoint)));
}

/** Rejects where `asked` itself does not answer. */
export async function readGroups(asked: Endpoint, io: Interruptible): Promise<Readings> {
  const first = await createNodeClients(asked).admin.status({}, statusCall(io));
  if (first.cluster === undefined)
    return { groups: [await readAsked(await groupOf(asked, first, io))], gateway: undefined };
  const { readMap } = await import('../cluster/cluster-reads.ts');
  const { groups, nodes } = await readMap([asked], io);
  const readings = [...groups.values()].map(async ({ id, voters }): Promise<GroupReading> => {
    const members = voters.flatMap(({ node }) => nodes.get(node) ?? []);
    const asking = members.map(({ address }) => askNode(parseToldAddress(address, asked), io));
    return { id, ...(await readAsked({ nodes: await Promise.all(asking), isWhole: true })) };
  });
  const { cluster } = first;
  return {
    groups: await Promise.all(readings),
    gateway: { address: asked.text, status: first, cluster },
  };
}

/** Every node that `readGroups` reads, as if of one group. */
export async function readNodes(asked: Endpoint, io: Interruptible): Promise<GroupReading> {
  const { groups } = await readGroups(asked, io);
  return {
    nodes: groups.flatMap(({ nodes }) => nodes),
    isWhole: groups.every(({ isWhole }) => isWhole),
  };
}

async function readAsked({ nodes, isWhole }: AskedGroup): Promise<GroupReading> {
  const readings = nodes.map(async ({ address, endpoint, status }): Promise<NodeReading | SilentNode> => {
    if (status instanceof CliError) return { address, failure: status };
    const page = await tryPage(endpoint);
    if (page instanceof CliError) return { address, failure: page, role: status.role };
    return { address, atMs: performance.now(), status, page };
  });
  return { nodes: await Promise.all(readings), isWhole };
}

export function isSilent(node: NodeReading | SilentNode): node is SilentNode {
  return 'failure' in node;
}
