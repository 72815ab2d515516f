/**
 * What pushers send from: the engine's durable log, newest part in the ring.
 * One per master; shared by its pushers. Damage met in the log kept for
 * replicas is remembered, and reads as "no longer here".
 */

import type { Engine } from '#engine/engine.ts';
import type { Lsn } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { ChainPoint, GroupMembers } from '#model/replication.ts';
import type { AckLedger } from '#replication/ack-ledger.ts';
import { FrameRing } from '#replication/frame-ring.ts';
import type { PushIdentity, PushLog } from '#replication/pusher.ts';
import type { Frame } from '#wal/frame.ts';
import { type FrameRun, runOf } from '#wal/frame-run.ts';
import { WalReadError } from '#wal/wal-errors.ts';

/** Memory that the newest frames may take, whatever the number of replicas. */
export const RING_BYTES_DEFAULT = 32 * 1_024 * 1_024;
/** The same where there are no replicas: for one that registers now. */
const RING_BYTES_ALONE_MAX = 1_024 * 1_024;

export class PushSource implements PushLog {
  readonly #engine: Engine;
  readonly #acks: AckLedger;
  readonly #identity: () => PushIdentity;
  readonly #group: () => GroupMembers;
  readonly #ring = new FrameRing();
  readonly #ringBytesMax: number;
  #damagedLsn: number | undefined;

  /** `ringBytesMax`: memory for the newest frames, while there are replicas. */
  constructor(
    engine: Engine,
    acks: AckLedger,
    identity: () => PushIdentity,
    group: () => GroupMembers,
    ringBytesMax: number,
  ) {
    this.#ringBytesMax = ringBytesMax;
    this.#engine = engine;
    this.#acks = acks;
    this.#identity = identity;
    this.#group = group;
  }

  /** A frame became visible here. Where nobody is pushed to, only the last few are worth their memory. */
  add(frame: Frame, isPushed: boolean): void {
    this.#ring.add(frame, isPushed ? this.#ringBytesMax : RING_BYTES_ALONE_MAX);
  }

  /** The newest durable record's LSN and epoch. */
  get durable(): { readonly epoch: number; readonly lsn: Lsn } {
    return this.#engine.durablePosition;
  }

  /** The first record that can be sent: from disk, or from memory where the log was compacted meanwhile. */
  get earliestLsn(): Lsn {
    const { earliestLsn } = this.#engine.log;
    return Math.min(earliestLsn, this.#ring.oldestLsn ?? earliestLsn) as Lsn;
  }

  /** The last record known to be damaged on disk; undefined: none. */
  get damagedLsn(): number | undefined {
    return this.#damagedLsn;
  }

  noteDamage(lsn: number): void {
    this.#damagedLsn = Math.max(this.#damagedLsn ?? 0, lsn);
  }

  identity(): PushIdentity {
    return this.#identity();
  }

  group(): GroupMembers {
    return this.#group();
  }

  logClockMs(): number {
    return this.#engine.logClock.nowMs();
  }

  digestAt(lsn: Lsn): string {
    return this.#engine.digests.at(lsn)?.digest ?? '';
  }

  wantsDurableAcks(): boolean {
    return this.#acks.hasWaiters;
  }

  /** Whole durable frames from `fromLsn` where the ring holds them. */
  recent(fromLsn: Lsn, bytesMax: number): FrameRun | undefined {
    return this.#ring.read(fromLsn, this.#engine.durableLsn, bytesMax);
  }

  isRecent(lsn: Lsn): boolean {
    return lsn >= this.#engine.durableLsn || lsn + 1 >= (this.#ring.oldestLsn ?? Number.POSITIVE_INFINITY);
  }

  async read(afterLsn: Lsn, bytesMax: number): Promise<FrameRun | undefined> {
    const from = nextLsn(afterLsn);
    const frames = await this.#whereHeld(() => this.#engine.log.read(from, bytesMax));
    return frames === undefined ? undefined : runOf(frames);
  }

  async pointAt(lsn: Lsn): Promise<ChainPoint | undefined> {
    const recent = this.#ring.at(lsn);
    if (recent !== undefined) return recent;
    const { applied } = this.#engine;
    return applied.lsn === lsn ? applied : this.#whereHeld(() => this.#engine.log.lookup(lsn));
  }

  async #whereHeld<T>(read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof WalReadError)) throw error;
      if (error.place !== undefined) this.noteDamage(error.place.lsn);
      return undefined;
    }
  }
}
