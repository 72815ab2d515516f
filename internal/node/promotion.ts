/**
 * How an unplanned promotion is decided: the answers of the other nodes are judged,
 * then the term is claimed from every node that answers, so that no other node gets
 * it and the pushes of the old master are refused from then on.
 */

import { unavailable } from '#model/errors.ts';
import type { ClaimAnswer } from '#model/leadership.ts';
import { formatPosition, isAhead, type Position, termOf } from '#model/position.ts';
import type { Quarantine } from '#model/status.ts';
import { whyNotBelieved } from '#model/terms.ts';
import { type Asked, endOf, isLeading, termSeenBy, whyDisbelieved } from '#node/ask-replicas.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import { ownerOf } from '#replication/ack-owner.ts';
import type { PeerDialer } from '#replication/peer-link.ts';

export interface Candidate {
  readonly nodeId: string;
  /** `host:port` at which an operator reaches it. */
  readonly address: string;
  readonly logId: string;
  /** The last record in its log. */
  readonly tail: Position;
  /** The highest term that it has seen. */
  readonly term: number;
}

const CLAIM_TIMEOUT_MS = 3_000;

/**
 * Pure: why this node should not be the master, by the answers of the others;
 * undefined if nothing speaks against it.
 */
export function objectionTo(candidate: Candidate, asked: readonly Asked[]): string | undefined {
  const others = asked.filter(
    ({ status }) => status.logId === candidate.logId && status.nodeId !== candidate.nodeId,
  );
  const disbelieved = others.map((one) => whyDisbelieved(one, candidate)).find((why) => why !== undefined);
  if (disbelieved !== undefined) return disbelieved;
  const leader = others.find(({ status }) => isLeading(status));
  if (leader !== undefined) {
    return `the master ${leader.address} answers; hand over from there with: walnut failover --address ${leader.address} --to ${candidate.address}`;
  }
  const best = others.reduce<Asked | undefined>(
    (most, one) => (most === undefined || isAhead(endOfLog(one), endOfLog(most)) ? one : most),
    undefined,
  );
  if (best === undefined || !isAhead(endOfLog(best), candidate.tail)) return undefined;
  return aheadOf(candidate, best.address, endOfLog(best));
}

function aheadOf({ tail }: Candidate, address: string, theirs: Position): string {
  return (
    `${address} is at ${formatPosition(theirs)}, ahead of this node's ${formatPosition(tail)}: ` +
    `promote that one with: walnut promote --address ${address}`
  );
}

/**
 * Pure: the highest term that a node has seen, including that of a master which
 * quarantined it: two masters of that term would stop each other.
 */
export function highestSeen(manifest: {
  readonly logId: string;
  readonly term: number;
  /** Has the type `Quarantine`. */
  readonly quarantine?: unknown;
}): number {
  const { logId, term } = manifest;
  const wrong = manifest.quarantine as Quarantine | null | undefined;
  if (wrong === null || wrong === undefined || wrong.upstreamLogId !== logId) return term;
  const theirs = termOf(wrong.upstreamPosition.epoch);
  return whyNotBelieved(theirs, term) === undefined ? Math.max(term, theirs) : term;
}

/** Pure: the highest term that is believed; the new term is above it. */
export function highestTold(candidate: Candidate, asked: readonly Asked[]): number {
  const believed = asked.filter(
    (one) => one.status.logId === candidate.logId && whyDisbelieved(one, candidate) === undefined,
  );
  return Math.max(candidate.term, ...believed.map(termSeenBy));
}

/**
 * Pure: the addresses to claim the term from: each node once, because it grants a
 * term once, whatever addresses it has, and never the candidate. A node that does
 * not say its id counts as one.
 */
export function claimantsOf(
  candidate: Candidate,
  addresses: readonly string[],
  asked: readonly Asked[],
): string[] {
  const seen = new Set([candidate.nodeId]);
  return addresses.filter((address) => {
    const nodeId = asked.find((one) => one.address === address)?.status.nodeId;
    if (nodeId === undefined) return true;
    const isNew = !seen.has(nodeId);
    seen.add(nodeId);
    return isNew;
  });
}

/**
 * Pure: which nodes vote. A node without this log cannot lead it and has no records
 * of it; a node so far behind that it would not believe the claimed term does not
 * vote either.
 */
export function votersOf(
  candidate: Candidate,
  claimants: readonly string[],
  asked: readonly Asked[],
  term: number,
): string[] {
  return claimants.filter((address) => {
    const status = asked.find((one) => one.address === address)?.status;
    if (status === undefined) return true;
    return status.logId === candidate.logId && whyNotBelieved(term, status.term) === undefined;
  });
}

/** The answer of a node to a claim. */
export interface Claimed {
  readonly address: string;
  /** Undefined if it did not answer. */
  readonly answer: ClaimAnswer | undefined;
}

/**
 * Pure: why a node does not grant the term, or has more records; undefined if
 * nothing speaks against the promotion.
 */
export function refusalOf(
  candidate: Candidate,
  term: number,
  claimed: readonly Claimed[],
): string | undefined {
  for (const { address, answer } of claimed) {
    if (answer === undefined || answer.hasNoVote) continue;
    if (!answer.isGranted) return `${address} does not grant term ${term}: ${answer.reason}`;
    if (isAhead(answer.tail, candidate.tail)) return aheadOf(candidate, address, answer.tail);
  }
  return undefined;
}

/**
 * Claims the term from all of them; a node that grants it takes no more pushes of
 * the old master. If a node was `asked` before, only the answer of that node counts.
 */
export function claimTerm(
  candidate: Candidate,
  term: number,
  addresses: readonly string[],
  peers: {
    readonly dialer: PeerDialer;
    readonly logger: Logger;
    readonly signal: AbortSignal;
    readonly asked: readonly Asked[];
  },
): Promise<Claimed[]> {
  const { dialer, logger, signal, asked } = peers;
  const { logId, nodeId } = candidate;
  return Promise.all(
    addresses.map(async (address): Promise<Claimed> => {
      const link = dialer.dial(address);
      const options = { timeoutMs: CLAIM_TIMEOUT_MS, signal };
      const meant = asked.find((one) => one.address === address)?.status.nodeId;
      try {
        const answer = await link.claim({ logId, term, nodeId, receiverNodeId: meant }, options);
        // A node of version 0.1 does not say its id in the answer.
        const owner = meant && ownerOf(meant, answer.nodeId ?? (await link.status(options)).nodeId);
        if (owner === 'other') throw unavailable(`another node than ${meant} answers at ${address}`);
        return { address, answer };
      } catch (error) {
        const why = messageOf(error);
        logger.info({ node: address, term, why }, 'not asked for the term');
        return { address, answer: undefined };
      } finally {
        link.close();
      }
    }),
  );
}

/** A delayed replica has more in its log than it has applied, in the newest epoch that it knows. */
function endOfLog({ status }: Asked): Position {
  return { epoch: status.position.epoch, lsn: endOf(status) };
}
