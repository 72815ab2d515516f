/**
 * How an unplanned promotion is decided: what the other nodes say is judged,
 * then the term is claimed from everyone that answers, so that it is nobody
 * else's and the old master's pushes are refused from then on.
 */

import { unavailable } from '#model/errors.ts';
import type { ClaimAnswer } from '#model/leadership.ts';
import { formatPosition, type Position, termOf } from '#model/position.ts';
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
  /** The highest term it has seen. */
  readonly term: number;
}

const CLAIM_TIMEOUT_MS = 3_000;

/** Pure: why this node should not be the master, by what the others say; undefined: nothing speaks against it. */
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
 * Pure: the highest term that a node has seen, that of a master which quarantined
 * it included: led twice, that term would stop both.
 */
export function highestSeen(manifest: {
  readonly logId: string;
  readonly term: number;
  /** As `Quarantine`. */
  readonly quarantine?: unknown;
}): number {
  const { logId, term } = manifest;
  const wrong = manifest.quarantine as Quarantine | null | undefined;
  if (wrong === null || wrong === undefined || wrong.upstreamLogId !== logId) return term;
  const theirs = termOf(wrong.upstreamPosition.epoch);
  return whyNotBelieved(theirs, term) === undefined ? Math.max(term, theirs) : term;
}

/** Pure: the highest term that is believed: the one to lead is above it. */
export function highestTold(candidate: Candidate, asked: readonly Asked[]): number {
  const believed = asked.filter(
    (one) => one.status.logId === candidate.logId && whyDisbelieved(one, candidate) === undefined,
  );
  return Math.max(candidate.term, ...believed.map(termSeenBy));
}

/**
 * Pure: whom to ask for the term: each node once, for it grants a term once, by
 * whatever names it is known, and never the candidate. Who does not say which
 * node it is counts as one.
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
 * Pure: who has a vote. A node that holds no log, or another one, cannot lead this
 * one and holds nothing of it; a node so far behind that it would not believe the
 * term of the claim takes no part either.
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

/** What a node answered that was asked for a term. */
export interface Claimed {
  readonly address: string;
  /** Undefined: nothing. */
  readonly answer: ClaimAnswer | undefined;
}

/** Pure: why somebody does not grant the term, or holds more; undefined: nothing speaks against it. */
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
 * Asks everyone for the term: who grants it takes no push of the old master any
 * more. What counts where a node was `asked` before is only that node's answer.
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
        // A node of version 0.1 does not say who it is with its answer.
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

/** A delayed replica has more in its log than it has applied, in the newest epoch it knows. */
function endOfLog({ status }: Asked): Position {
  return { epoch: status.position.epoch, lsn: endOf(status) };
}

function isAhead(a: Position, b: Position): boolean {
  const [termA, termB] = [termOf(a.epoch), termOf(b.epoch)];
  return termA === termB ? a.lsn > b.lsn : termA > termB;
}
