/**
 * What a master knows of one replica: which records it has and has applied,
 * whether it answers, and what is wrong with it. Changed by the pusher, read by
 * Status, admission and `min_replicas_to_write`.
 */
import type { Lsn } from '#model/position.ts';
import { NO_POSITION } from '#model/position.ts';
import type { ChainPoint, DigestMismatch, ReplicateAnswer } from '#model/replication.ts';
import type { NodeState, ReplicaStatus } from '#model/status.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import { type AckOwner, describeOther, UNNAMED_PROBLEM } from '#replication/ack-owner.ts';

export interface ReplicaProgressOptions {
  readonly nodeId: string;
  readonly address: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly heartbeatMs: number;
  /** True where `replication.apply_delay` is set on the replica: its lag then counts records that it has not received. */
  readonly appliesLate?: boolean | undefined;
  /** Called with each durable LSN of the replica that is known to belong to this history. */
  readonly onAck: (durableLsn: Lsn) => void;
  /** Called when the replica begins to report that its state differs from this node's. */
  readonly onMismatch?: ((mismatch: DigestMismatch) => void) | undefined;
}

/** What stays known of a replica that registers again. */
export interface KnownBefore {
  /** What was wrong with it; empty: nothing. */
  readonly problem: string;
  readonly acked: ReplicaStatus['acked'];
  /** When it was last level, or else when it first registered; monotonic. */
  readonly levelMs: number;
}

/** A replica is live for this many heartbeats after its last answer. */
const LIVE_HEARTBEATS = 3;

export class ReplicaProgress {
  state: NodeState = 'catching_up';
  readonly #options: ReplicaProgressOptions;
  /** The last durable LSN of this node's own log. */
  readonly #durableLsn: () => Lsn;
  #appliedLsn: Lsn;
  #acked: ReplicaStatus['acked'] = NO_POSITION;
  #lastLevelMs: number;
  #lastAnswerMs: number;
  /** The difference that the replica reports; undefined: none. */
  #mismatch: DigestMismatch | undefined;
  #problem: string;
  /** True if its last answer named the node that is pushed to. */
  #isNamed = false;
  #wasLevel: boolean;

  /** `tail`: the replica's last record. `before`: undefined where it registers for the first time. */
  constructor(
    options: ReplicaProgressOptions,
    durableLsn: () => Lsn,
    tail: ChainPoint,
    before: KnownBefore | undefined,
  ) {
    this.#options = options;
    this.#durableLsn = durableLsn;
    this.#appliedLsn = tail.lsn;
    this.#problem = before?.problem ?? '';
    this.#acked = before?.acked ?? NO_POSITION;
    const nowMs = options.clock.monotonicMs();
    this.#wasLevel = tail.lsn >= durableLsn();
    this.#lastLevelMs = this.#wasLevel ? nowMs : (before?.levelMs ?? nowMs);
    // It has just registered, which counts as an answer.
    this.#lastAnswerMs = nowMs;
  }

  /** The last record on its disk, as it said. */
  get acked(): ReplicaStatus['acked'] {
    return this.#acked;
  }

  get appliedLsn(): Lsn {
    return this.#appliedLsn;
  }

  /** Records that are durable here and not applied there; where it applies late, not received there. */
  get lagRecords(): number {
    return Math.max(0, this.#durableLsn() - this.#appliedLsn);
  }

  /** Milliseconds since the replica was last level; 0 while it is. */
  get lagMs(): number {
    return this.lagRecords === 0 ? 0 : Math.round(this.#options.clock.monotonicMs() - this.#lastLevelMs);
  }

  /** True if the replica took a push, or registered, within the last few heartbeats. */
  get isLive(): boolean {
    const { clock, heartbeatMs } = this.#options;
    return clock.monotonicMs() - this.#lastAnswerMs < LIVE_HEARTBEATS * heartbeatMs;
  }

  /** True if its acks count: it is live, takes pushes, and named itself as the node that is pushed to. */
  get isCounted(): boolean {
    return this.isLive && this.#isNamed && this.state === 'streaming';
  }

  /** What is wrong with it and what to do; empty: nothing. */
  get problem(): string {
    return this.#problem;
  }

  /** True if the replica's state is known to differ from this node's. */
  get isDifferent(): boolean {
    return this.#mismatch !== undefined;
  }

  /** True if the replica has been level since it registered. */
  get wasLevel(): boolean {
    return this.#wasLevel;
  }

  /** What stays known when it registers again from `address`. It keeps its records up to `kept`; undefined: none. */
  whenRegistered(address: string, kept: ChainPoint | undefined): KnownBefore {
    const { lsn, epoch } = kept ?? NO_POSITION;
    return {
      // A problem that lasts over a registration is logged once.
      problem: this.#options.address === address ? this.#problem : '',
      acked: this.#acked.lsn <= lsn ? this.#acked : { epoch, lsn },
      levelMs: this.#lastLevelMs,
    };
  }

  /** The replica answered; `owner`: whether the answer named it. */
  answered(owner: AckOwner, mismatch: DigestMismatch | undefined): void {
    this.#isNamed = owner === 'own';
    this.#problem = owner === 'unnamed' ? UNNAMED_PROBLEM : '';
    const before = this.#mismatch;
    this.#mismatch = mismatch;
    const { address, logger, onMismatch } = this.#options;
    if (mismatch === undefined || before !== undefined) return;
    logger.error({ replica: address, mismatch }, 'the state of a replica differs from this node’s');
    onMismatch?.(mismatch);
  }

  /** The replica has every record up to `point`; the answer did not refuse the push. */
  reached(point: ChainPoint, answer: ReplicateAnswer): void {
    // A refusal does not count as a sign of life: another node may stand at the address by now.
    this.#lastAnswerMs = this.#options.clock.monotonicMs();
    this.#appliedLsn = this.#options.appliesLate === true ? point.lsn : answer.appliedLsn;
    this.#acked = answer.durable;
    if (this.#isNamed) this.#options.onAck(answer.durable.lsn);
  }

  /** At `atMs` (monotonic) the replica had applied everything that was durable here. */
  level(atMs: number): void {
    this.#wasLevel = true;
    this.#lastLevelMs = atMs;
  }

  /** A push failed with `error`. */
  failed(error: unknown): void {
    const { address, logger } = this.#options;
    if (this.state !== 'catching_up')
      logger.warn({ replica: address, err: error }, 'replica does not answer pushes');
    this.state = 'catching_up';
    this.#problem = `it takes no pushes: ${messageOf(error)}`;
  }

  /** Another node answers at the address: the replica is not live, and nothing of that answer counts. `isMember`: it is one of a cluster. */
  metOther(isMember: boolean): void {
    const { address, nodeId, logger } = this.#options;
    const problem = describeOther(address, nodeId, isMember);
    if (this.#problem !== problem) {
      const fields = { replica: address, nodeId, why: problem };
      logger.error(fields, 'another node answers at the address of a replica');
    }
    this.#problem = problem;
    this.#isNamed = false;
    this.state = 'catching_up';
    this.#lastAnswerMs = Number.NEGATIVE_INFINITY;
  }
}
