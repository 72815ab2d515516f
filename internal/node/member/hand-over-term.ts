/**
 * A coordinator plans that another member leads (ADR 17, `next`): this master hands over
 * to it without losing a write, as in ADR 8 and with the term of the plan. Where it does
 * not come to that it leads on, and says so. Where the other one refuses afterwards, this
 * node waits for the failover that follows: it makes no term.
 */

import { NO_WRITES_MS } from '#cluster/figures.ts';
import type { HandOverAnswer, HandOverRequest } from '#cluster/member-port.ts';
import { WalnutError } from '#model/errors.ts';
import { handOver } from '#node/handover.ts';
import { checkWhom } from '#node/member/whom.ts';
import type { RoleKeeper } from '#node/role-keeper.ts';
import { messageOf } from '#platform/thrown.ts';

/** A master that takes no writes for longer is replaced by a failover, which takes longer than the plan would have saved. */
const PAUSE_MS_MAX = NO_WRITES_MS;

/** `addressOf`: where a node of the group is, as the map has it. */
export async function handOverTerm(
  keeper: RoleKeeper,
  request: HandOverRequest,
  addressOf: (node: string) => string | undefined,
): Promise<HandOverAnswer> {
  const { host } = keeper;
  checkWhom(host.manifest, request);
  const { next } = request;
  if (host.manifest.role === 'replica' && host.manifest.term >= next.term) return ACCEPTED;
  return keeper.exclusively('a planned failover', async () => {
    const role = keeper.current;
    const { engine } = host;
    if (role?.kind !== 'master' || engine === undefined || !role.isTakingWrites || role.term !== request.term)
      return refused(`it does not lead term ${request.term}`, false);
    const address = addressOf(next.node);
    const replica = role.replicas.find((one) => one.address === address);
    if (replica === undefined) return refused(`${next.node} does not follow it`, true);
    try {
      const { outcome } = await handOver(keeper, role, engine, replica, PAUSE_MS_MAX, next.term);
      await keeper.follow(replica.address, next.term, outcome.kind === 'led');
      return outcome.kind === 'refused' ? refused(outcome.reason, false) : ACCEPTED;
    } catch (error) {
      if (!(error instanceof WalnutError)) throw error;
      return refused(messageOf(error), role.isTakingWrites && host.manifest.role === 'master');
    }
  });
}

const ACCEPTED: HandOverAnswer = { isAccepted: true, leadsOn: false, reason: '' };

function refused(reason: string, leadsOn: boolean): HandOverAnswer {
  return { isAccepted: false, leadsOn, reason };
}
