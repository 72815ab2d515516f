/**
 * The planned failover, as the master runs it (docs/adr/0008-failover.md):
 *
 * 1. ask the replica whether it could lead; 2. take no more writes; 3. wait until
 * the replica has the last record on its disk; 4. ask again, now with that record.
 * If a step up to here fails, this node takes writes again. 5. Commit to MANIFEST
 * that this node follows the other one in the next term: after that it takes no
 * writes in its old term, whatever happens. 6. Tell the replica to lead, until it
 * does or refuses for good.
 */

import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { counted } from '#model/counted.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { TakeOverAnswer } from '#model/leadership.ts';
import type { ChainPoint, NodeAddress } from '#model/replication.ts';
import type { MasterRole } from '#node/master-role.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { PendingHandover } from '#node/pending-handover.ts';
import { OWN_TERMS } from '#node/term-source.ts';
import { messageOf } from '#platform/thrown.ts';
import { isOtherNode, ownerOf } from '#replication/ack-owner.ts';
import type { PeerLink } from '#replication/peer-link.ts';

export const FAILOVER_TIMEOUT_MS_DEFAULT = 10_000;
const CALL_TIMEOUT_MS = 2_000;
/** How often the progress of the replica is checked. */
const LOOK_MS = 5;
/** Between two tries to tell the replica to lead. */
const RETRY_MS = 100;
/** After the commit, the replica is told for at least this long before the outcome is `unknown`. */
const INSIST_MS_MIN = 3_000;
/** Sent with the first question, which does not depend on the last record. */
const ANY_TAIL: ChainPoint = { epoch: 0, lsn: 0 as ChainPoint['lsn'], crc: 0 };

/** `led`: the replica leads; `refused`: it never will in this term; `unknown`: it does not answer. */
export type HandoverOutcome =
  | { readonly kind: 'led' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** The node that hands over. */
export interface Ceding {
  readonly options: NodeOptions;
  readonly host: EngineHost;
  /** Aborts when the node stops. */
  readonly stopSignal: AbortSignal;
  /** The commit: from here on this node follows the node that `handover` names. */
  cede(handover: PendingHandover): Promise<void>;
}

export interface Handover {
  readonly to: string;
  readonly term: number;
  readonly tail: ChainPoint;
  /** How long writes have been refused, milliseconds. */
  readonly pausedMs: number;
  readonly outcome: HandoverOutcome;
}

/**
 * Runs steps 1 to 6. Rejects if the failover was aborted before step 5: then `role`
 * takes writes again. After that the caller changes the role of this node by the
 * outcome. `planned`: the term that a coordinator gives; else this node chooses it.
 */
export async function handOver(
  keeper: Ceding,
  role: MasterRole,
  engine: Engine,
  replica: NodeAddress,
  timeoutMs: number,
  planned?: number,
): Promise<Handover> {
  const { address: to, nodeId } = replica;
  const { clock, dialer, logger } = keeper.options;
  const startedMs = clock.monotonicMs();
  const deadlineMs = startedMs + timeoutMs;
  const term = planned ?? (await (keeper.options.terms ?? OWN_TERMS).next(keeper.host.manifest.term));
  // A master that takes no writes for too long is replaced where coordinators watch it.
  const answersByMs = planned === undefined ? Number.POSITIVE_INFINITY : deadlineMs;
  const link = dialer.dial(to);
  try {
    await check(keeper, link, { to, nodeId, term, tail: ANY_TAIL }, answersByMs);
    const pausedAtMs = clock.monotonicMs();
    logger.warn({ to, term, timeoutMs }, 'failover: no more writes until the replica has caught up');
    role.pauseWrites(to);
    let tail: ChainPoint;
    let isMet: boolean;
    try {
      tail = await untilLevel(keeper, role, engine, replica, deadlineMs);
      isMet = await check(keeper, link, { to, nodeId, term, tail }, answersByMs);
      if (!role.isTakingWrites) throw new WalnutError('failed_precondition', role.reasons.join('; '));
      await keeper.cede({ to, nodeId, term, tail });
    } catch (error) {
      role.resumeWrites();
      const why = messageOf(error);
      logger.warn({ to, why }, 'failover aborted: taking writes again');
      throw error;
    }
    const endMs = Math.max(deadlineMs, clock.monotonicMs() + INSIST_MS_MIN);
    const outcome = await tell(keeper, link, { to, nodeId, term, tail }, endMs, isMet);
    return { to, term, tail, pausedMs: clock.monotonicMs() - pausedAtMs, outcome };
  } finally {
    link.close();
  }
}

interface Target {
  readonly to: string;
  /** The node that is to lead; undefined: committed by version 0.1, which knew the address only. */
  readonly nodeId?: string | undefined;
  readonly term: number;
  readonly tail: ChainPoint;
}

/** Returns true if the replica says which node it is, so that no other node takes the call to lead. */
async function check(keeper: Ceding, link: PeerLink, target: Target, answersByMs: number): Promise<boolean> {
  const leftMs = Math.max(LOOK_MS, answersByMs - keeper.options.clock.monotonicMs());
  const answer = await callFor(keeper, link, target, true, Math.min(CALL_TIMEOUT_MS, leftMs));
  if (!answer.isAccepted)
    throw new WalnutError('failed_precondition', `${target.to} cannot lead: ${answer.reason}`);
  return answer.nodeId !== undefined;
}

/** Returns the answer of the replica that is meant. Throws if another node answers at its address. */
async function callFor(
  keeper: Ceding,
  link: PeerLink,
  { to, nodeId: meant, term, tail }: Target,
  isCheck: boolean,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<TakeOverAnswer> {
  const { nodeId, logId } = keeper.host.manifest;
  const request = { nodeId, logId, term, tail, isCheck, replicaNodeId: meant };
  try {
    const options = { timeoutMs, signal: keeper.stopSignal };
    const answer = await link.takeOver(request, options);
    if (meant !== undefined && ownerOf(meant, answer.nodeId) === 'other') throw otherNode(to, meant);
    return answer;
  } catch (error) {
    throw meant !== undefined && isOtherNode(error) ? otherNode(to, meant) : error;
  }
}

/** Asks which node is at the address, because a node of version 0.1 leads whichever node is meant. */
async function meet(keeper: Ceding, link: PeerLink, { to, nodeId }: Target): Promise<void> {
  if (nodeId === undefined) return;
  const status = await link.status({ timeoutMs: CALL_TIMEOUT_MS, signal: keeper.stopSignal });
  if (status.nodeId !== nodeId) throw otherNode(to, nodeId);
}

function otherNode(to: string, meant: string): WalnutError {
  return unavailable(`another node than ${meant} answers at ${to}`);
}

/** Resolves with the last record when it is durable here and there. */
async function untilLevel(
  keeper: Ceding,
  role: MasterRole,
  engine: Engine,
  { address: to, nodeId }: NodeAddress,
  deadlineMs: number,
): Promise<ChainPoint> {
  const { clock } = keeper.options;
  // Nothing is appended any more, so that this is the last record.
  const { tail } = engine.log;
  const leftMs = (): number => deadlineMs - clock.monotonicMs();
  const waiting = new AbortController();
  role.demandAcks(tail.lsn, Math.max(0, leftMs()), waiting.signal);
  try {
    await engine.waitDurable(tail.lsn, Math.max(0, leftMs()), keeper.stopSignal);
    for (;;) {
      engine.checkDisk();
      if (keeper.stopSignal.aborted) throw unavailable('this node is stopping');
      if (!role.isTakingWrites) throw new WalnutError('failed_precondition', role.reasons.join('; '));
      const replica = role.replicas.find((one) => one.address === to && one.nodeId === nodeId);
      if (replica === undefined || replica.state === 'quarantined' || replica.state === 'fenced') {
        const state = replica?.state ?? 'not registered any more';
        throw new WalnutError('failed_precondition', `${to} cannot become level: it is ${state}`);
      }
      const isLevel = replica.acked.lsn >= tail.lsn && replica.acked.epoch === tail.epoch;
      if (isLevel && engine.durableLsn >= tail.lsn && engine.applied.lsn >= tail.lsn) return tail;
      if (leftMs() <= 0) {
        const behind = Math.max(0, tail.lsn - replica.acked.lsn);
        throw unavailable(
          `${to} has not caught up in time: ${counted(behind, 'record is', 'records are')} not on its disk; it is ${replica.state}`,
        );
      }
      await clock.sleep(Math.min(LOOK_MS, leftMs()), keeper.stopSignal);
    }
  } finally {
    waiting.abort();
  }
}

/**
 * Tells the replica to lead until it says that it does, or that it never will.
 * `isMet`: it has just said which node it is.
 */
export async function tell(
  keeper: Ceding,
  link: PeerLink,
  target: Target,
  endMs: number,
  isMet = false,
): Promise<HandoverOutcome> {
  const { clock } = keeper.options;
  let isKnown = isMet;
  let reason = `${target.to} was not asked`;
  do {
    try {
      if (!isKnown) await meet(keeper, link, target);
      isKnown = false;
      const answer = await callFor(keeper, link, target, false);
      return answer.isAccepted ? { kind: 'led' } : { kind: 'refused', reason: answer.reason };
    } catch (error) {
      reason = messageOf(error);
    }
    await clock.sleep(RETRY_MS, keeper.stopSignal);
  } while (clock.monotonicMs() < endMs && !keeper.stopSignal.aborted);
  return { kind: 'unknown', reason };
}
