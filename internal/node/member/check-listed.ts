/** Decides which nodes may follow the master of a group in a cluster. Pure. */
import { WalnutError } from '#model/errors.ts';
import type { LoggedMembers } from '#storage/logged-members.ts';

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
