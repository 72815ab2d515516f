/** Decides by the member list of a log which nodes may follow its master, and whether the list counts. Pure. */
import { WalnutError } from '#model/errors.ts';
import type { LoggedMember, LoggedMembers } from '#storage/logged-members.ts';

/**
 * Throws `failed_precondition` for a node that the group does not list. `node`: its name in
 * the cluster; undefined on a node of a plain group. Before the first member list of a log
 * every member may follow.
 */
export function checkListed(node: string | undefined, members: LoggedMembers | undefined): void {
  const listed = [...(members?.voters ?? []), ...(members?.learners ?? [])].map((one) => one.node);
  if (node !== undefined && (members === undefined || listed.includes(node))) return;
  const whom = node === undefined ? 'a node of a plain group' : `node ${node}`;
  throw new WalnutError(
    'failed_precondition',
    `${whom} does not belong to this group of a cluster, which lists ${listed.join(', ') || 'no node yet'}: ` +
      'start it as a member, and see walnut cluster map',
  );
}

/**
 * False if none of those that the log lists is among those that the map lists: the log was restored
 * from a backup, with which every disk has a new incarnation. Within one life a list changes by one
 * member at a time, and the map follows it.
 */
export function isOfThisLife(logged: LoggedMembers | undefined, { voters }: LoggedMembers): boolean {
  const isListed = ({ node, incarnation }: LoggedMember): boolean =>
    voters.some((voter) => voter.node === node && voter.incarnation === incarnation);
  return logged?.voters.some(isListed) === true;
}
