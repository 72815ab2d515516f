/** Reads Status and metrics of every node of a group at one moment. */
import type { Endpoint } from '#dial/endpoint.ts';
import type { StatusResponse } from '#gen/walnut/v1/admin_pb.ts';
import type { Role } from '#gen/walnut/v1/types_pb.ts';
import type { Interruptible } from '../call/connection.ts';
import { LeanClient } from '../call/lean-client.ts';
import { CliError, describeFailure } from '../cli-error.ts';
import { toArgument } from '../command-host.ts';
import { askGroup, STATUS_MS_MAX } from '../group/group-status.ts';
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
}

/** Rejects with `CallError` where the node does not answer, or does not show its metrics to this caller. */
export async function readPage(endpoint: Endpoint): Promise<MetricsPage> {
  const client = new LeanClient(endpoint, STATUS_MS_MAX);
  try {
    return new MetricsPage(await client.page('/metrics'));
  } finally {
    client.close();
  }
}

/** Rejects where `asked` itself does not answer. */
export async function readGroup(asked: Endpoint, io: Interruptible): Promise<GroupReading> {
  const { nodes, isWhole } = await askGroup(asked, io);
  const readings = nodes.map(async ({ address, endpoint, status }): Promise<NodeReading | SilentNode> => {
    if (status instanceof CliError) return { address, failure: status };
    try {
      const page = await readPage(endpoint);
      return { address, atMs: performance.now(), status, page };
    } catch (error) {
      return { address, failure: describeFailure(error, toArgument(endpoint)), role: status.role };
    }
  });
  return { nodes: await Promise.all(readings), isWhole };
}

export function isSilent(node: NodeReading | SilentNode): node is SilentNode {
  return 'failure' in node;
}
