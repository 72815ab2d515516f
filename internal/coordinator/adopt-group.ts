/**
 * A plain group that becomes a group of a new cluster, with its log and without a copy of its data,
 * and the slots that it then owns (ADR 18). Pure.
 */
import type { GroupPlan } from '#cluster/coordinator-port.ts';
import type { Heartbeat } from '#cluster/heartbeat.ts';
import type { Group, SlotRange } from '#cluster/shard-map.ts';
import { WalnutError } from '#model/errors.ts';
import { findOwnerFault, SLOTS, type SlotRun } from '#model/slots.ts';
import { restoredTerms, termAfter } from '#model/terms.ts';

export interface AdoptedGroup {
  readonly group: Group;
  /** What its log says that the group owns: it is that of a group of a cluster. Undefined: the log is that of a plain group. */
  readonly owned: readonly SlotRun[] | undefined;
}

/**
 * Throws `failed_precondition` unless the nodes that have a log have the same one, one of them is
 * its master, and every replica that the master knows is among the nodes. `members`: of all nodes
 * of the plan.
 */
export function adoptedGroup({ id }: GroupPlan, members: readonly Heartbeat[]): AdoptedGroup {
  const plain = members.filter((member) => member.plain !== undefined);
  const logs = [...new Set(plain.map(({ logId }) => logId))];
  const why = whyNotOne(id, plain, logs) ?? whyLeftBehind(id, plain, members);
  if (why !== undefined) throw new WalnutError('failed_precondition', why);
  const seen = Math.max(...members.map((member) => member.term));
  // The log may be that of a backup, and nothing in it tells how far its group went on after that.
  const term = termAfter(seen + restoredTerms(seen));
  const voters = members
    .map(({ node, incarnation }) => ({ node, incarnation }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
  const group: Group = {
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
  return { group, owned: plain.find((member) => member.plain?.isMaster === true)?.owned };
}

/**
 * The slots of the groups of a cluster that begins with these logs. Throws `failed_precondition` where
 * they do not own every slot once: an entry of a slot without an owner could not be read.
 */
export function adoptedSlots(groups: readonly AdoptedGroup[]): SlotRange[] {
  const [only] = groups;
  if (groups.length === 1 && only?.owned === undefined)
    return [{ first: 0, last: SLOTS - 1, group: only?.group.id ?? '' }];
  const silent = groups.find(({ owned }) => owned === undefined)?.group.id;
  if (silent !== undefined)
    throw new WalnutError(
      'failed_precondition',
      `one plain group can become part of a cluster, as its first group, and the log of ${silent} is that of one: it does not say which slots it owns`,
    );
  const slots = groups
    .flatMap(({ group: { id }, owned = [] }) => owned.map((run) => ({ ...run, group: id })))
    .sort((a, b) => a.first - b.first);
  const fault = findOwnerFault(slots);
  if (fault === undefined) return slots;
  const names = groups.map(({ group: { id } }) => id).join(', ');
  const why =
    fault.kind === 'two'
      ? `slot ${fault.slot} belongs to ${fault.groups.join(' and to ')} by their logs: restore both from one backup of the cluster`
      : `slots ${fault.first} to ${fault.last} belong to none of ${names} by their logs: name the restored group that owns them, too`;
  throw new WalnutError('failed_precondition', why);
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
    'start it as a member and name it too, or, where it is gone for good: ' +
    `walnut remove-replica ${left[0]} --address ${master?.address}`
  );
}
