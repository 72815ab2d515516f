/**
 * What a node without a log tells an operator: it belongs to the group whose data
 * the other nodes have. Pure.
 */
import { formatPosition } from '#model/position.ts';
import { type Asked, endOf, isLeading } from '#node/ask-replicas.ts';
import { furthest, ifGone, logsOf } from '#node/furthest.ts';
import type { Self } from '#node/self.ts';

/** How many masters, and how many logs, are named. */
const TOLD_MAX = 3;

/** `others`: the status of every other node that answered. Empty if this node follows a master by itself. */
export function adviceWithoutData(self: Self, others: readonly Asked[]): string {
  const holders = others.filter((one) => one.status.logId !== '' && endOf(one.status) > 0);
  if (holders.length === 0) return describeNoData(self);
  const leaders = holders.filter(({ status }) => isLeading(status));
  if (leaders.length > 0) return logsOf(leaders).length === 1 ? '' : describeLeaders(leaders);
  const bests = logsOf(holders)
    .slice(0, TOLD_MAX)
    .map((logId) => ({
      logId,
      best: furthest(
        self,
        holders.filter(({ status }) => status.logId === logId),
      ),
    }));
  const choices = bests.flatMap(({ logId, best }) => {
    if (best === undefined) return [];
    const { address, end } = best;
    return [{ address, at: formatPosition(end), logId, promote: `walnut promote --address ${address}` }];
  });
  const [choice] = choices;
  if (choice !== undefined && choices.length === 1) {
    const { address, at, promote } = choice;
    return `no node leads and this one has no data; ${address} is furthest, at ${at}: ${promote}${ifGone(self, others)}`;
  }
  return (
    'no node leads and this one has no data; others have different logs, so promote the right one: ' +
    choices.map(({ promote, logId, at }) => `${promote} (log ${logId}, at ${at})`).join(', or ')
  );
}

export function describeNoData({ upstream }: Self): string {
  return `this node has no data; start the node at ${upstream}, or promote one that has the data`;
}

function describeLeaders(leaders: readonly Asked[]): string {
  const led = leaders.slice(0, TOLD_MAX).map(({ address, status }) => `${address} leads log ${status.logId}`);
  return (
    `this node has no data, and it is not known which group it belongs to: ${led.join(', ')}; ` +
    'set master.address to the right one and start this node again'
  );
}
