/**
 * What pushers send from: the engine's durable log, newest part in the ring.
 * One per master; shared by its pushers.
 */

import type { Engine } from '#engine/engine.ts';
import type { Lsn } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import { FrameRing } from '#replication/frame-ring.ts';
import type { Frame } from '#wal/frame.ts';

export interface PushIdentity {
  readonly masterNodeId: string;
  readonly logId: string;
  readonly term: number;
}

/** Memory that the newest frames may take, whatever the number of replicas. */
export const RING_BYTES_MAX = 32 * 1_024 * 1_024;

export class PushSource {
  readonly #engine: Engine;
  readonly #acks: AckLedger;
  readonly #identity: () => PushIdentity;
  readonly #ring = new FrameRing(RING_BYTES_MAX);

  constructor(engine: Engine, acks: AckLedger, identity: () => PushIdentity) {
    this.#engine = engine;
    this.#acks = acks;
    this.#identity = identity;
  }

  /** A frame became visible here. */
  add(frame: Frame): void {
    this.#ring.add(frame);
  }

  /** The newest durable record's LSN and epoch. */
  get durable(): { readonly epoch: number; readonly lsn: Lsn } {
    return this.#engine.durablePosition;
  }

  identity(): PushIdentity {
    return this.#identity();
  }

  logClockMs(): number {
    return this.#engine.logClock.nowMs();
  }

  wantsDurableAcks(): boolean {
    return this.#acks.hasWaiters;
  }

  /** Whether the record after `lsn` can still be read here, if there is one. */
  canReach(lsn: Lsn): boolean {
    return lsn + 1 >= this.#engine.log.earliestLsn;
  }

  /** Whole durable frames from `fromLsn` where the ring holds them. */
  recent(fromLsn: Lsn, bytesMax: number): readonly Frame[] | undefined {
    return this.#ring.read(fromLsn, this.#engine.durableLsn, bytesMax);
  }

  /** Whole durable frames after `afterLsn`; none where the log no longer reaches back to it. */
  async read(afterLsn: Lsn, bytesMax: number): Promise<readonly Frame[]> {
    const from = nextLsn(afterLsn);
    const inRing = this.recent(from, bytesMax);
    if (inRing !== undefined) return inRing;
    return this.canReach(afterLsn) ? this.#engine.log.read(from, bytesMax) : [];
  }

  /** The chain point at `lsn`, from ring or log; undefined where neither holds it. */
  async pointAt(lsn: Lsn): Promise<ChainPoint | undefined> {
    const frame = this.#ring.at(lsn);
    if (frame !== undefined) return { epoch: frame.epoch, lsn: frame.lsn, crc: frame.crc };
    const { applied } = this.#engine;
    return applied.lsn === lsn ? applied : this.#engine.log.lookup(lsn);
  }
}
