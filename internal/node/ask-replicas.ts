/**
 * Before a master serves writes, it asks the nodes that it knows whether one of them
 * has seen more (docs/replication.md, rule 8): a higher term, or records of its own
 * term beyond its last one, which would be lost. A fenced master asks the same, to
 * find out which node it should follow.
 */

import type { Lsn, Position } from '#model/position.ts';
import { formatPosition, termOf } from '#model/position.ts';
import type { NodeStatus } from '#model/status.ts';
import { whyNotBelieved } from '#model/terms.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import type { PeerDialer } from '#replication/peer-link.ts';

export const ASK_TIMEOUT_MS = 3_000;

export interface OwnHistory {
  readonly nodeId: string;
  readonly logId: string;
  readonly position: Position;
  /** The highest term that it has persisted. */
  readonly term: number;
}

export interface Asked {
  readonly address: string;
  readonly status: NodeStatus;
}

export interface Verdict {
  /** Why this master may not take writes; undefined if nothing speaks against it. */
  readonly objection: string | undefined;
  /** The highest term that a node of this log has seen; 0 if none answered. */
  readonly term: number;
}

/** Returns the status of the nodes that answer in time; the others are left out. */
export async function askNodes(
  dialer: PeerDialer,
  addresses: readonly string[],
  logger: Logger,
  signal: AbortSignal,
): Promise<Asked[]> {
  const answers = await Promise.all(
    addresses.map(async (address): Promise<Asked | undefined> => {
      const link = dialer.dial(address);
      try {
        return { address, status: await link.status({ timeoutMs: ASK_TIMEOUT_MS, signal }) };
      } catch (error) {
        const why = messageOf(error);
        logger.info({ replica: address, why }, 'replica not asked');
        return undefined;
      } finally {
        link.close();
      }
    }),
  );
  return answers.filter((answer) => answer !== undefined);
}

/** What the answers together say against this master. */
export function judgeAll(asked: readonly Asked[], own: OwnHistory): Verdict {
  const objections = asked.map(({ address, status }) => judge(address, status, own));
  return {
    objection: objections.find((objection) => objection !== undefined),
    term: Math.max(0, ...asked.filter((one) => hasASay(one, own)).map(termSeenBy)),
  };
}

/** True if the terms and records of a node concern this one. */
function hasASay(asked: Asked, own: OwnHistory): boolean {
  return asked.status.logId === own.logId && whyDisbelieved(asked, own) === undefined;
}

/**
 * Pure: why the term that a node of this log has seen is not believed, naming the
 * node; undefined if it is believed.
 */
export function whyDisbelieved(
  asked: Asked,
  own: { readonly logId: string; readonly term: number },
): string | undefined {
  if (asked.status.logId !== own.logId) return undefined;
  const why = whyNotBelieved(termSeenBy(asked), own.term);
  return why === undefined ? undefined : `${asked.address}: ${why}`;
}

/** Pure: what a node's status says against this master. */
export function judge(address: string, status: NodeStatus, own: OwnHistory): string | undefined {
  if (!hasASay({ address, status }, own) || status.nodeId === own.nodeId) return undefined;
  const theirs = formatPosition(status.position);
  const ours = formatPosition(own.position);
  const ownTerm = termOf(own.position.epoch);
  if (termOf(status.position.epoch) > ownTerm) {
    return `replica ${address} is at ${theirs}, a higher term than this master's ${ours}`;
  }
  if (status.term > ownTerm)
    return `replica ${address} has seen term ${status.term}, this master's is ${ownTerm}`;
  // Records beyond ours in a lower term are a diverged tail, which this master's term has superseded.
  if (endOf(status) > own.position.lsn && termOf(status.position.epoch) === ownTerm) {
    return `replica ${address} is at ${theirs}, ahead of this master's ${ours}: its data would be lost`;
  }
  if (isLeading(status) && termOf(status.position.epoch) === ownTerm) {
    return `${address} is a master of the same term ${ownTerm}`;
  }
  return undefined;
}

/** The last record that a node has: a delayed replica has more than it has applied. */
export function endOf(status: NodeStatus): Lsn {
  return Math.max(status.position.lsn, status.durableLsn) as Lsn;
}

export function isLeading(status: NodeStatus): boolean {
  return status.role === 'master' && status.state !== 'fenced' && status.state !== 'loading';
}

export function termSeenBy({ status }: Asked): number {
  return Math.max(status.term, termOf(status.position.epoch));
}

/**
 * The node that a fenced master may follow: the one that leads this log in the
 * highest term above its own. If no answer is from such a node, the nodes that those
 * with a higher term follow are asked.
 */
export async function findLeader(
  asked: readonly Asked[],
  own: OwnHistory,
  ask: (addresses: readonly string[]) => Promise<Asked[]>,
): Promise<Asked | undefined> {
  const known = leaderAmong(asked, own);
  if (known !== undefined) return known;
  const hints = asked
    .filter((one) => hasASay(one, own) && one.status.term > termOf(own.position.epoch))
    .map(({ status }) => status.upstream?.address ?? '')
    .filter((address) => address !== '' && !asked.some((one) => one.address === address));
  return hints.length === 0 ? undefined : leaderAmong(await ask([...new Set(hints)]), own);
}

function leaderAmong(asked: readonly Asked[], own: OwnHistory): Asked | undefined {
  const leaders = asked.filter(
    (one) =>
      hasASay(one, own) &&
      one.status.nodeId !== own.nodeId &&
      isLeading(one.status) &&
      termOf(one.status.position.epoch) > termOf(own.position.epoch),
  );
  return leaders.sort((a, b) => b.status.position.epoch - a.status.position.epoch)[0];
}
