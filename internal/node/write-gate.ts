/**
 * Decides whether a master takes writes now: not while it is fenced, hands its role over,
 * waits for space to begin its epoch, or has too few live replicas.
 */

import type { Engine } from '#engine/engine.ts';
import { counted } from '#model/counted.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import type { NodeState } from '#model/status.ts';
import type { Fence } from '#node/fence.ts';
import type { MasterEpoch } from '#node/master-epoch.ts';
import { describeShortage } from '#platform/shortage.ts';

export interface WriteGateParts {
  readonly fence: Fence;
  readonly epoch: MasterEpoch;
  readonly engine: Engine;
  /** `replication.min_replicas_to_write`. */
  readonly minReplicas: number;
  /** How many replicas take pushes and answered lately. */
  readonly liveReplicas: () => number;
}

export class WriteGate {
  readonly #parts: WriteGateParts;
  readonly #fence: Fence;
  readonly #epoch: MasterEpoch;
  readonly #minReplicas: number;
  /** The replica that a failover under way hands over to; undefined if there is none. */
  #pausedFor: string | undefined;

  constructor(parts: WriteGateParts) {
    this.#parts = parts;
    this.#fence = parts.fence;
    this.#epoch = parts.epoch;
    this.#minReplicas = parts.minReplicas;
  }

  /** True if this master may write, apart from a failover and from shortage of space or of replicas. */
  get isOpen(): boolean {
    return !this.#fence.isUp && this.#epoch.hasBegun;
  }

  /** True if entries may expire and be evicted: not while the log must end. */
  get mayExpire(): boolean {
    return !this.#fence.isUp && this.#pausedFor === undefined;
  }

  /** Why accepted writes may be discarded; undefined if this master leads, or handed over everything it had. */
  get whyDeposed(): string | undefined {
    return this.#fence.isUp && this.#pausedFor === undefined ? this.#fence.why : undefined;
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
    return log.shortage !== undefined || !this.#epoch.hasBegun ? 'no_space' : 'serving';
  }

  /** For Status: why nothing but the fence or the failover matters now; undefined if neither stops writes. */
  get stopReasons(): string[] | undefined {
    if (this.#fence.isUp) return this.#fence.reasons;
    if (this.#pausedFor === undefined) return undefined;
    return [`a failover to ${this.#pausedFor} is under way: writes wait`];
  }

  /** For Status: what is short; empty if nothing is. */
  get shortages(): string[] {
    return this.state === 'no_space' ? [this.#shortOf] : [];
  }

  get #shortOf(): string {
    return `${describeShortage(this.#parts.engine.log.shortage ?? 'space')}: reads only until that is over`;
  }

  /** Throws if writes are refused. */
  check(): void {
    if (this.#fence.isUp)
      throw new WalnutError('failed_precondition', `this master is read only: ${this.#fence.why}`);
    if (this.#pausedFor !== undefined) {
      throw unavailable(
        `a failover to ${this.#pausedFor} is under way: try again in a moment, there or here`,
        this.#pausedFor,
      );
    }
    if (!this.#epoch.hasBegun) throw new WalnutError('resource_exhausted', this.#shortOf);
    if (this.#minReplicas === 0) return;
    const live = this.#parts.liveReplicas();
    if (live >= this.#minReplicas) return;
    throw unavailable(
      `${counted(live, 'replica takes', 'replicas take')} pushes: replication.min_replicas_to_write is ${this.#minReplicas}`,
    );
  }
}
