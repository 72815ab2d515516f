/**
 * Lets a fenced master lead again if nobody leads the higher term that it heard of,
 * because that term was granted to a node whose promotion failed
 * (docs/adr/0008-failover.md). It asks every node that it knows, and leads only if
 * all of them answer, none has a record that is not here, and all grant it a term
 * above every term seen. The node that was granted the higher term is one of them:
 * either it leads and says so, or it has now seen a term that keeps it from leading
 * its own. Everything else is left to an operator.
 */
import type { EngineHost } from '#engine/engine-host.ts';
import type { Position } from '#model/position.ts';
import { formatPosition, termOf } from '#model/position.ts';
import type { NodeAddress } from '#model/replication.ts';
import { type Asked, endOf, whyDisbelieved } from '#node/ask-replicas.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { NodeOptions } from '#node/node-options.ts';
import { type Candidate, claimantsOf, claimTerm, highestTold, refusalOf, votersOf } from '#node/promotion.ts';
import { OWN_TERMS } from '#node/term-source.ts';

/** Between two claims that failed, because each uses up a term. */
const CLAIM_AGAIN_MS_MIN = 2_000;
const CLAIM_AGAIN_MS_MAX = 60_000;

/**
 * True if a record is in the history of the node that wants to lead, or in one that its
 * own term superseded.
 */
export type Holds = (position: Position) => boolean;

/** The node that may lead again. */
export interface Returning {
  readonly options: NodeOptions;
  readonly host: EngineHost;
  readonly ownAddress: string;
  /** Aborts when the node stops. */
  readonly stopSignal: AbortSignal;
  /** Makes it the master of `term`; `known`: nodes that are told besides those in MANIFEST. */
  lead(term: number, known: readonly string[]): Promise<void>;
}

export class Comeback {
  readonly #keeper: Returning;
  #waitMs = CLAIM_AGAIN_MS_MIN;
  #nextClaimMs = Number.NEGATIVE_INFINITY;
  /** Why the last claim failed; empty if none did. */
  #refusal = '';

  constructor(keeper: Returning) {
    this.#keeper = keeper;
  }

  /**
   * `asked`: the answers of all nodes that were asked just now. Notes on `role` what
   * speaks against leading. Within `exclusively`.
   */
  async attempt(role: MasterRole, asked: readonly Asked[]): Promise<void> {
    const { host, options } = this.#keeper;
    const { manifest, engine } = host;
    if (engine === undefined || manifest.role !== 'master') return;
    engine.checkDisk();
    const own: Candidate = {
      nodeId: manifest.nodeId,
      address: this.#keeper.ownAddress,
      logId: manifest.logId,
      tail: engine.log.tail,
      term: manifest.term,
    };
    const others = claimantsOf(own, role.others, asked);
    const holds: Holds = (position) =>
      termOf(position.epoch) < termOf(own.tail.epoch) ||
      (position.lsn <= own.tail.lsn && engine.epochs.standingOf(position) === 'in_history');
    const obstacle = obstacleTo(own, others, role.knownNodes, asked, holds);
    const { clock, dialer, logger } = options;
    const isEarly = clock.monotonicMs() < this.#nextClaimMs;
    role.noteObstacle(obstacle ?? (isEarly ? this.#refusal : ''));
    if (obstacle !== undefined || isEarly) return;
    const term = await (options.terms ?? OWN_TERMS).next(highestTold(own, asked));
    const signal = this.#keeper.stopSignal;
    const voters = votersOf(own, others, asked, term);
    const claimed = await claimTerm(own, term, voters, { dialer, logger, signal, asked });
    const silent = claimed.find(({ answer }) => answer === undefined);
    const stranger = claimed.find(({ answer }) => answer !== undefined && !holds(answer.tail));
    const refusal =
      (silent === undefined ? undefined : `${silent.address} does not answer`) ??
      refusalOf(own, term, claimed) ??
      (stranger === undefined ? undefined : `${stranger.address} has a record that is not here`);
    if (signal.aborted) return;
    // Set whatever the outcome is, because the commit may fail too.
    this.#nextClaimMs = clock.monotonicMs() + this.#waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, CLAIM_AGAIN_MS_MAX);
    this.#refusal = refusal ?? '';
    role.noteObstacle(this.#refusal);
    // Another master may have pushed to this one meanwhile.
    if (refusal !== undefined || !role.mayLeadAgain) return;
    logger.warn({ term }, 'nobody leads the higher term that was seen: leading again above it');
    await this.#keeper.lead(term, []);
    this.#waitMs = CLAIM_AGAIN_MS_MIN;
  }
}

/**
 * Pure: why this node cannot be sure that nobody leads, or would lose records of
 * another node; undefined if nothing speaks against leading. `others`: addresses
 * that must answer. `known`: nodes that must answer at whatever address, because a
 * name may lead to another node now.
 */
export function obstacleTo(
  own: Candidate,
  others: readonly string[],
  known: readonly NodeAddress[],
  asked: readonly Asked[],
  holds: Holds,
): string | undefined {
  if (others.length === 0) return 'no other node is known here';
  for (const address of others) {
    const answer = asked.find((one) => one.address === address);
    if (answer === undefined) return `${address} does not answer`;
    const disbelieved = whyDisbelieved(answer, own);
    if (disbelieved !== undefined) return disbelieved;
    const { status } = answer;
    if (status.state === 'loading') return `${address} is loading`;
    // A node without this log cannot lead it and has no records of it.
    if (status.logId !== own.logId) continue;
    const isBeyond = termOf(status.position.epoch) >= termOf(own.tail.epoch) && endOf(status) > own.tail.lsn;
    if (isBeyond || !holds(status.position))
      return `${address} is at ${formatPosition(status.position)}, which is not here`;
  }
  const lost = known.find(
    ({ nodeId }) => nodeId !== own.nodeId && !asked.some(({ status }) => status.nodeId === nodeId),
  );
  if (lost === undefined) return undefined;
  return (
    `node ${lost.nodeId}, last seen at ${lost.address}, does not answer, another one does there; ` +
    `if it is gone for good: walnut remove-replica ${lost.address}`
  );
}
