/** What a master's Status says of replicas that it knows and that do not follow it. */

import { invalidArgument, WalnutError } from '#model/errors.ts';
import type { NodeStatus } from '#model/status.ts';
import type { Self } from '#node/self.ts';
import { messageOf } from '#platform/thrown.ts';
import type { PeerDialer } from '#replication/peer-link.ts';

/** A known address that takes no pushes, and why the node there could not be told to follow. */
export interface Absent {
  readonly address: string;
  readonly why: string;
  /** True if any node answers at the address. */
  readonly answers: boolean;
}

const LOOK_TIMEOUT_MS = 2_000;
/** How many get a line of their own. */
const TOLD_MAX = 3;

/**
 * Pure: lines for Status about replicas that have been away for some seconds, except
 * those that `reasons` names already.
 */
export function describeAbsent(
  absent: readonly Absent[],
  reasons: readonly string[],
  self: Pick<Self, 'isMember' | 'voters'>,
): string[] {
  const untold = absent.filter(({ address }) => !reasons.some((one) => one.startsWith(`${address} `)));
  const describe = self.isMember === true ? describeVoter : describeReplica;
  const lines = untold.slice(0, TOLD_MAX).map((one) => describe(one, self));
  const more = untold.length - lines.length;
  return more > 0 ? [...lines, `and ${more} more known replicas do not follow`] : lines;
}

function describeReplica({ address, why }: Absent): string {
  return (
    `replica ${address} is known here and does not follow: ${why}; if it is gone for good, or the address ` +
    `is wrong: walnut remove-replica ${address}`
  );
}

/** A member of a cluster removes nobody: the map lists the nodes of its group. */
function describeVoter({ address, why, answers }: Absent, { voters }: Pick<Self, 'voters'>): string {
  const name = voters?.get(address);
  const what = `${name === undefined ? address : `${name} (${address})`} does not follow: ${why}`;
  if (answers) return what;
  const as = name === undefined ? 'its cluster.node' : `cluster.node ${name}`;
  return `${what}; start it again, and where its disk is gone on an empty directory, as ${as}`;
}

/**
 * Looks who is at an address that an operator adds. Returns what is wrong and what
 * to do, empty if a replica answers. Throws `invalid_argument` if this node itself
 * answers.
 */
export async function lookAtReplica(
  dialer: PeerDialer,
  address: string,
  own: { readonly nodeId: string; readonly logId: string },
  signal: AbortSignal,
): Promise<string> {
  const link = dialer.dial(address);
  try {
    const status = await link.status({ timeoutMs: LOOK_TIMEOUT_MS, signal });
    if (status.nodeId === own.nodeId)
      throw invalidArgument(`${address} is this master itself: give the address of a replica`);
    return whyNoReplica(address, status, own.logId);
  } catch (error) {
    if (error instanceof WalnutError && error.code === 'invalid_argument') throw error;
    const why = messageOf(error);
    return (
      `no node answers there (${why}): it may register when it is up; ` +
      `if the address is wrong: walnut remove-replica ${address}`
    );
  } finally {
    link.close();
  }
}

/** Pure: why the node at `address` does not follow as it is; empty if it may. */
function whyNoReplica(address: string, status: NodeStatus, logId: string): string {
  if (status.role === 'master') {
    return (
      `the node there is a master: a replica is started with walnut-slave and master.address set to this one; ` +
      `if the address is wrong: walnut remove-replica ${address}`
    );
  }
  if (status.logId === '' || status.logId === logId) return '';
  return (
    `the replica there has another log, ${status.logId}, and would be quarantined; ` +
    `if the address is wrong: walnut remove-replica ${address}`
  );
}
