/** Another node wants to lead a term: this one grants it once, and persists that before it answers. */
import type { ClaimAnswer, ClaimRequest } from '#model/leadership.ts';
import { NO_POSITION, type Position } from '#model/position.ts';
import { whyNotBelieved } from '#model/terms.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { checkMeant } from '#replication/ack-owner.ts';

/** Throws `not_found` if another node is meant. */
export async function grantClaim(keeper: RoleKeeper, request: ClaimRequest): Promise<ClaimAnswer> {
  const { host } = keeper;
  const { nodeId } = host.manifest;
  checkMeant(request.receiverNodeId, nodeId);
  const tail = (): Position => host.engine?.log.tail ?? NO_POSITION;
  const refuse = (reason: string): ClaimAnswer => ({
    nodeId,
    isGranted: false,
    hasNoVote: false,
    term: host.manifest.term,
    reason,
    tail: tail(),
  });
  if (keeper.changing !== undefined) return refuse(`${keeper.changing} is under way there`);
  return keeper.exclusively('a claim', async () => {
    const { manifest } = host;
    if (manifest.logId === '' || request.logId !== manifest.logId)
      return { ...refuse(`it has log ${manifest.logId || '(none)'}`), hasNoVote: true };
    const disbelieved = whyNotBelieved(request.term, manifest.term);
    if (disbelieved !== undefined) return refuse(disbelieved);
    if (request.term <= manifest.term) return refuse(`it has seen term ${manifest.term}`);
    const role = keeper.current;
    if (role?.kind === 'master' && role.isTakingWrites) return refuse('it is the master');
    await host.raiseTerm(request.term);
    if (role?.kind === 'replica') await role.settled();
    // A master that waits for space must not begin its epoch later.
    else if (role?.kind === 'master') role.fence(request.term);
    keeper.options.logger.warn({ term: request.term, node: request.nodeId }, 'granted a term');
    return { isGranted: true, hasNoVote: false, term: request.term, reason: '', tail: tail(), nodeId };
  });
}
