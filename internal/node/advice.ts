/**
 * Decides what a node without a working master does, from what the others say: which
 * master it follows by itself, or which command an operator should give, with its
 * address. Pure.
 */
import { formatPosition, isAhead, type Position, TERM_MAX, termOf } from '#model/position.ts';
import { describeLastTerm } from '#model/terms.ts';
import { adviceWithoutData, describeNoData } from '#node/advice-without-data.ts';
import { type Asked, endOf, isLeading, whyDisbelieved } from '#node/ask-replicas.ts';
import { endOfAsked, furthest, ifGone, logsOf } from '#node/furthest.ts';
import type { Self } from '#node/self.ts';

/**
 * The node that leads the log of this one in a term that this one can follow. A node
 * without a log can follow any.
 */
export function leaderFor(self: Self, asked: readonly Asked[]): Asked | undefined {
  const leaders = asked.filter(
    (one) =>
      isLeading(one.status) &&
      one.status.nodeId !== self.nodeId &&
      one.status.logId !== '' &&
      (self.logId === '' || canFollow(self, one)),
  );
  const logs = new Set(leaders.map(({ status }) => status.logId));
  // A node without data cannot decide which of two logs it belongs to.
  if (logs.size > 1) return undefined;
  return leaders.sort((a, b) => b.status.position.epoch - a.status.position.epoch)[0];
}

function canFollow(self: Self, one: Asked): boolean {
  const { status } = one;
  const term = termOf(status.position.epoch);
  return (
    status.logId === self.logId &&
    whyDisbelieved(one, self) === undefined &&
    term >= self.term &&
    term > termOf(self.tail.epoch)
  );
}

/** What an operator should do; empty if nothing is known that would help. */
export function adviceFor(self: Self, asked: readonly Asked[]): string {
  if (self.term >= TERM_MAX) return describeLastTerm(self.term);
  const upstream = asked.find(({ address }) => address === self.upstream);
  const others = asked.filter(({ status }) => status.nodeId !== self.nodeId);
  if (self.isMember === true) return others.some(({ status }) => isLeading(status)) ? '' : IN_CLUSTER;
  if (self.logId === '') return adviceWithoutData(self, others);
  const ownLog = others.filter(
    (one) => one.status.logId === self.logId && whyDisbelieved(one, self) === undefined,
  );
  if (ownLog.some(({ status }) => isLeading(status)) && self.quarantine === undefined) return '';
  const wrong =
    self.quarantine !== undefined && upstream !== undefined && isLeading(upstream.status)
      ? upstream
      : undefined;
  const best = furthest(self, wrong === undefined ? ownLog : ownLog.filter((one) => !isOfMaster(one, wrong)));
  if (best === undefined) return upstream === undefined && self.upstream !== '' ? describeNoData(self) : '';
  const promote = `walnut promote --address ${best.address}`;
  const where = `${best.address === self.address ? 'this node' : best.address} is furthest, at ${formatPosition(best.end)}`;
  if (wrong !== undefined) {
    // The followers of that master go on following it, and a promotion without --force gives way to nodes
    // with more records.
    const isPassed = ownLog.some((one) => isFollowing(one, wrong) && isAhead(endOfAsked(one), best.end));
    return (
      `if the data here is right, stop the master at ${self.upstream} and then: ${promote}${isPassed ? ' --force' : ''}; ` +
      `all choices: walnut quarantine list --address ${self.address}`
    );
  }
  return `no node leads this log, and ${where}: ${promote}${ifGone(self, asked)}`;
}

/** A member is promoted by nobody but a coordinator. */
const IN_CLUSTER = 'a coordinator decides who leads: walnut cluster status';

/** True if a node is the master that quarantined this one, or has its data: neither should be promoted. */
function isOfMaster(one: Asked, master: Asked): boolean {
  return one.status.nodeId === master.status.nodeId || isFollowing(one, master);
}

function isFollowing({ status }: Asked, master: Asked): boolean {
  return (
    status.upstream?.address === master.address && status.upstream.isLinked && status.state !== 'quarantined'
  );
}

/** How many nodes, and how many logs, a master names. */
const TOLD_MAX = 3;

/**
 * True if a node has another history than this master, and follows nobody who leads that
 * history. `isRegistered`: it counts among the replicas of this master. Only of such a one
 * does a quarantine tell that its records of the same log differ: another was
 * quarantined by the master of another log, which it was pointed at.
 */
export function holdsOther(self: Self, one: Asked, isRegistered: boolean): boolean {
  const { status } = one;
  const isSameLog = status.logId === self.logId;
  const isQuarantined = status.state === 'quarantined';
  const isLed = !isQuarantined && (status.role === 'master' || status.upstream?.isLinked === true);
  return (
    status.nodeId !== self.nodeId &&
    status.logId !== '' &&
    endOf(status) > 0 &&
    (isSameLog ? isQuarantined && isRegistered : !isLed) &&
    whyDisbelieved(one, self) === undefined
  );
}

/**
 * What a master says of nodes with other histories: one line for each log, with the
 * promotion that those nodes name themselves. `followers`: the last positions of the
 * replicas of this master.
 */
export function describeOthers(
  self: Self,
  others: readonly Asked[],
  followers: readonly Position[],
): string[] {
  const logs = logsOf(others).slice(0, TOLD_MAX);
  return logs.flatMap((logId) => {
    const holders = others.filter(({ status }) => status.logId === logId);
    const best = furthest({ ...self, logId: '' }, holders);
    if (best === undefined) return [];
    const names = holders.map(({ address }) => address).sort();
    const more = names.length > TOLD_MAX ? ` and ${names.length - TOLD_MAX} more` : '';
    const isPassed = logId === self.logId && followers.some((end) => isAhead(end, best.end));
    const what = `another history, of log ${logId}, is on ${names.slice(0, TOLD_MAX).join(', ')}${more} and not here; `;
    if (self.isMember === true) return `${what}all choices: walnut quarantine list --address ${best.address}`;
    return (
      what +
      `${best.address} is furthest, at ${formatPosition(best.end)}: if that is the right one, stop this node ` +
      `(${self.address}) and then: walnut promote --address ${best.address}${isPassed ? ' --force' : ''}; ` +
      `all choices: walnut quarantine list --address ${best.address}`
    );
  });
}

/**
 * What to do if the master still pushes, but its address leads to another node:
 * after a restart this replica would follow that node.
 */
export function describeMoved(masterNodeId: string, address: string): string {
  return (
    `another node than the master ${masterNodeId} answers at ${address}, although that master pushes: ` +
    'let the name lead to it again, or change master.address and start this replica again'
  );
}

/** What to do if two masters lead two logs and one counts the other among its replicas. */
export function describeRival(
  rival: { readonly address: string; readonly logId: string },
  { address: own, isMember }: Pick<Self, 'address' | 'isMember'>,
): string {
  const way =
    isMember === true ? 'give it another address' : `walnut remove-replica ${rival.address} --address ${own}`;
  return (
    `${rival.address} is a master too, of log ${rival.logId}, and was a replica of ${own}: if it belongs there, stop ` +
    `it, move its wal.directory away and start it again: it follows by itself; if it does not: ${way}`
  );
}
