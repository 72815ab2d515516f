/**
 * The group of a plain group that becomes the first one of a cluster, with its log and without
 * a copy of its data (ADR 18). Pure.
 */
import type { GroupPlan } from '#cluster/coordinator-port.ts';
import type { Heartbeat } from '#cluster/heartbeat.ts';
import type { Group } from '#cluster/shard-map.ts';
import { WalnutError } from '#model/errors.ts';
import { termAfter } from '#model/terms.ts';

/**
 * Throws `failed_precondition` unless the nodes that have a log have the same one, one of them is
 * its master, and every replica that the master knows is among the nodes. `members`: of all nodes
 * of the plan.
 */
export function adoptedGroup({ id }: GroupPlan, members: readonly Heartbeat[]): Group {
  const plain = members.filter((member) => member.plain !== undefined);
  const logs = [...new Set(plain.map(({ logId }) => logId))];
  const why = whyNotOne(id, plain, logs) ?? whyLeftBehind(id, plain, members);
  if (why !== undefined) throw new WalnutError('failed_precondition', why);
  const term = termAfter(Math.max(...members.map((member) => member.term)));
  const voters = members
    .map(({ node, incarnation }) => ({ node, incarnation }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
  return {
    id,
    logId: logs[0] as string,
    voters,
    term,
    leader: undefined,
    lastLeader: '',
    next: undefined,
    withdrawn: 0,
    // Its records are on no majority yet that anybody knows of: the most advanced of all has to lead.
    grants: { term, count: voters.length, voters },
  };
}

function whyNotOne(id: string, plain: readonly Heartbeat[], logs: readonly string[]): string | undefined {
  const names = plain.map(({ node }) => node).join(', ');
  if (logs.length > 1)
    return `${names} of ${id} have the logs of ${logs.length} plain groups: name those of one`;
  const masters = plain.filter((member) => member.plain?.isMaster === true).map(({ node }) => node);
  if (masters.length === 1) return undefined;
  return masters.length === 0
    ? `${names} of ${id} have the log of a plain group, and its master is not among them: start it as a member, and name it too`
    : `${masters.join(' and ')} of ${id} are both masters of one log: let one follow the other while they are a plain group`;
}

function whyLeftBehind(
  id: string,
  plain: readonly Heartbeat[],
  members: readonly Heartbeat[],
): string | undefined {
  const addresses = new Set(members.map(({ address }) => address));
  const master = plain.find((member) => member.plain?.isMaster === true);
  const left = (master?.plain?.replicas ?? []).filter((address) => !addresses.has(address));
  if (left.length === 0) return undefined;
  return (
    `the master ${master?.node} of ${id} knows the replica at ${left.join(' and ')}, and none of the nodes is there: ` +
    'start it as a member and name it too, or start the master once more as that of its plain group and use: ' +
    `walnut remove-replica ${left[0]}`
  );
}
