/**
 * Decides whether a master takes writes now: not while it is fenced, hands its role over,
 * waits for space to begin its epoch, has no lease in a cluster, or too few live replicas.
 */

import type { Engine } from '#engine/engine.ts';
import { counted } from '#model/counted.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { NodeState } from '#model/status.ts';
import type { Fence } from '#node/fence.ts';
import type { MasterEpoch } from '#node/master-epoch.ts';
import type { NodeOptions } from '#node/node-options.ts';
import type { WriteLease } from '#node/write-lease.ts';
import { describeShortage } from '#platform/shortage.ts';

export interface WriteGateParts {
  readonly fence: Fence;
  readonly epoch: MasterEpoch;
  readonly engine: Engine;
  readonly options: Pick<NodeOptions, 'minReplicasToWrite'>;
  /** How many replicas take pushes and answered lately. */
  readonly liveReplicas: () => number;
  /** Undefined in a plain group, whose master needs none. */
  readonly lease: WriteLease | undefined;
}

export class WriteGate {
  readonly #parts: WriteGateParts;
  readonly #fence: Fence;
  readonly #epoch: MasterEpoch;
  readonly #lease: WriteLease | undefined;
  /** The replica that a failover under way hands over to; undefined if there is none. */
  #pausedFor: string | undefined;

  constructor(parts: WriteGateParts) {
    this.#parts = parts;
    this.#fence = parts.fence;
    this.#epoch = parts.epoch;
    this.#lease = parts.lease;
  }

  /** True if this master may write, apart from a failover and from shortage of space or of replicas. */
  get isOpen(): boolean {
    return !this.#fence.isUp && this.#epoch.hasBegun;
  }

  /** True if entries may expire and be evicted: not while the log must end. */
  get mayExpire(): boolean {
    return !this.#fence.isUp && this.#pausedFor === undefined && this.#lease?.whyNotHeld === undefined;
  }

  /**
   * Why the outcome of writes that were accepted is not known; undefined if this master
   * leads, or handed over everything it had.
   */
  get whyUnknown(): string | undefined {
    if (this.#fence.isUp && this.#pausedFor === undefined)
      return `this write was not settled when the master was deposed, and may be lost: ${this.#fence.why}`;
    const why = this.#lease?.whyNotHeld;
    return why === undefined
      ? undefined
      : `this write was accepted and its outcome is unknown: ${noLease(why)}`;
  }

  /** A failover to `to` begins: writes are refused, and nothing expires, so that the log ends. */
  pause(to: string): void {
    this.#pausedFor = to;
  }

  resume(): void {
    this.#pausedFor = undefined;
  }

  get state(): NodeState {
    if (this.#fence.isUp) return 'fenced';
    const { log } = this.#parts.engine;
    if (log.shortage !== undefined || !this.#epoch.hasBegun) return 'no_space';
    return this.#lease?.whyNotHeld === undefined ? 'serving' : 'no_lease';
  }

  /** True if no write is taken now, apart from shortage of replicas. */
  get isStopped(): boolean {
    return this.state !== 'serving' || this.#pausedFor !== undefined;
  }

  /** For Status: why nothing but the fence or the failover matters now; undefined if neither stops writes. */
  get stopReasons(): string[] | undefined {
    if (this.#fence.isUp) return this.#fence.reasons;
    if (this.#pausedFor === undefined) return undefined;
    return [`a failover to ${this.#pausedFor} is under way: writes wait`];
  }

  /** For Status: what is short, or that the lease is over; empty if neither is. */
  get shortages(): string[] {
    const { state } = this;
    if (state === 'no_lease') return [noLease(this.#lease?.whyNotHeld ?? '')];
    if (state === 'no_space') return [this.#shortOf];
    const few = this.#tooFewReplicas;
    return few === undefined ? [] : [few];
  }

  /** Milliseconds since the lease was held last; 0 while it is, and in a plain group. */
  get lostForMs(): number {
    return this.#lease?.lostForMs ?? 0;
  }

  get #shortOf(): string {
    return `${describeShortage(this.#parts.engine.log.shortage ?? 'space')}: reads only until that is over`;
  }

  /** A caller that knows the other nodes asks them, so that a failover is no error to it. */
  refusal(why: string): WalnutError {
    return new WalnutError('not_master', `this master ${why}`, { leaderHint: this.#pausedFor });
  }

  /** Throws if writes are refused. */
  check(): void {
    if (this.#fence.isUp) throw this.refusal(`is read only: ${this.#fence.why}`);
    if (this.#pausedFor !== undefined) {
      throw unavailable(
        `a failover to ${this.#pausedFor} is under way: try again in a moment, there or here`,
        this.#pausedFor,
      );
    }
    if (!this.#epoch.hasBegun) throw new WalnutError('resource_exhausted', this.#shortOf, { isNotYet: true });
    const why = this.#lease?.whyNotHeld;
    if (why !== undefined) throw unavailable(noLease(why));
    const few = this.#tooFewReplicas;
    if (few !== undefined) throw unavailable(few);
  }

  get #tooFewReplicas(): string | undefined {
    const { minReplicasToWrite = 0 } = this.#parts.options;
    if (minReplicasToWrite === 0) return undefined;
    const live = this.#parts.liveReplicas();
    if (live >= minReplicasToWrite) return undefined;
    return (
      `${counted(live, 'replica takes', 'replicas take')} pushes: replication.min_replicas_to_write is ` +
      `${minReplicasToWrite}, so writes are refused`
    );
  }
}

function noLease(why: string): string {
  return `this master has no lease: ${why}; it takes writes again as soon as it has`;
}
