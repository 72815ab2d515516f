/**
 * Gives the records after a position to pushes, GetUpdates and watchers. The newest
 * records are in memory, as many bytes as the largest subscription requests; older
 * ones are read from the log. Nothing is queued for a reader: it keeps its own
 * position and is called when there are more records.
 *
 * Readers get only records that are durable here. On a delayed replica a reader with
 * the reach `durable` gets them at once, one with the reach `applied` once they are
 * applied. Damage that a read finds in the log is remembered.
 */

import { FrameRing } from '#engine/feed/frame-ring.ts';
import type { Awaitable } from '#model/awaitable.ts';
import type { Lsn } from '#model/position.ts';
import { nextLsn } from '#model/position.ts';
import type { ChainPoint } from '#model/replication.ts';
import type { Frame } from '#wal/frame.ts';
import { type FrameRun, runOf } from '#wal/frame-run.ts';
import { WalReadError } from '#wal/wal-errors.ts';

/** The state that a record must have reached before a reader gets it; `applied` records are durable too. */
export type FeedReach = 'durable' | 'applied';

/** The part of an engine that its feed reads. */
export interface FeedSource {
  readonly log: FeedLog;
  /** The last visible record. */
  readonly applied: ChainPoint;
  readonly appliedLsn: Lsn;
}

export interface FeedLog {
  readonly durableLsn: Lsn;
  /** The first record in the files. */
  readonly earliestLsn: Lsn;
  read(fromLsn: Lsn, bytesMax: number, uptoLsn: Lsn): Promise<Frame[]>;
  lookup(lsn: Lsn): Promise<ChainPoint | undefined>;
  requestSync(): void;
}

export interface FeedReader {
  readonly reach: FeedReach;
  /** Bytes of the newest records to keep in memory while it is subscribed. */
  readonly bytesMax: number;
  /**
   * Called synchronously with the last LSN of its reach whenever that grows. A reader
   * with this callback also makes the log fdatasync soon after each commit, unless it
   * is patient. Undefined: the reader only wants the memory.
   */
  readonly onMore?: ((lsn: Lsn) => void) | undefined;
  /** True: the reader takes nothing for now, and calls `requestSync` when it does again. */
  readonly isPatient?: (() => boolean) | undefined;
}

/** The requested records can no longer be read. */
export class FeedGap {
  /** The damaged record, if damage is the reason; otherwise the log begins later. */
  readonly damagedLsn: Lsn | undefined;

  constructor(damagedLsn?: Lsn) {
    this.damagedLsn = damagedLsn;
  }
}

interface Subscription {
  readonly reader: FeedReader;
  toldLsn: Lsn;
}

export class Feed {
  readonly #source: FeedSource;
  readonly #ring = new FrameRing();
  /** Replaced, never changed. */
  #subscriptions: readonly Subscription[] = [];
  #bytesMax = 0;
  #isAwaited = false;
  #damagedLsn: Lsn | undefined;

  constructor(source: FeedSource) {
    this.#source = source;
  }

  /** The limit of the ring in bytes. */
  get bytesMax(): number {
    return this.#bytesMax;
  }

  /** The last record that a reader may have. */
  lastLsn(reach: FeedReach): Lsn {
    const { durableLsn } = this.#source.log;
    return reach === 'durable' ? durableLsn : (Math.min(durableLsn, this.#source.appliedLsn) as Lsn);
  }

  /** The first record that can be given: from the files, or from memory where a checkpoint deleted its segment. */
  get earliestLsn(): Lsn {
    const { earliestLsn } = this.#source.log;
    return Math.min(earliestLsn, this.#ring.oldestLsn ?? earliestLsn) as Lsn;
  }

  /** The last record known to be damaged in the files; undefined: none. */
  get damagedLsn(): Lsn | undefined {
    return this.#damagedLsn;
  }

  noteDamage(lsn: Lsn): void {
    if (this.#damagedLsn === undefined || lsn > this.#damagedLsn) this.#damagedLsn = lsn;
  }

  /** True if the record after `lsn` is in memory, or does not exist yet. */
  isRecent(lsn: Lsn): boolean {
    return (
      lsn >= this.#source.log.durableLsn || lsn + 1 >= (this.#ring.oldestLsn ?? Number.POSITIVE_INFINITY)
    );
  }

  /**
   * Whole frames after `afterLsn`: at least one, and at most `bytesMax` bytes unless
   * the first is larger. Undefined if there is none yet. Returns a promise only if the
   * frames must be read from the log.
   */
  read(
    afterLsn: Lsn,
    bytesMax: number,
    reach: FeedReach = 'durable',
  ): Awaitable<FrameRun | FeedGap | undefined> {
    const throughLsn = this.lastLsn(reach);
    if (throughLsn <= afterLsn) return undefined;
    const fromLsn = nextLsn(afterLsn);
    return this.#ring.read(fromLsn, throughLsn, bytesMax) ?? this.#readLog(fromLsn, throughLsn, bytesMax);
  }

  /** Epoch, LSN and CRC of the durable record at `lsn`; undefined if it is deleted or not durable yet. */
  async pointAt(lsn: Lsn): Promise<ChainPoint | undefined> {
    const recent = this.#ring.at(lsn);
    if (recent !== undefined) return recent;
    const { applied, log } = this.#source;
    if (applied.lsn === lsn) return applied;
    const found = await this.#fromFiles(() => log.lookup(lsn));
    return found instanceof FeedGap ? undefined : found;
  }

  /** Returns a function that ends the subscription: it frees its memory and stops the calls. */
  subscribe(reader: FeedReader): () => void {
    const subscription = { reader, toldLsn: this.lastLsn(reader.reach) };
    this.#set([...this.#subscriptions, subscription]);
    // No earlier reader may have requested an fdatasync of what is already logged.
    if (reader.onMore !== undefined) this.requestSync();
    return () => this.#set(this.#subscriptions.filter((one) => one !== subscription));
  }

  #set(subscriptions: readonly Subscription[]): void {
    this.#subscriptions = subscriptions;
    this.#bytesMax = Math.max(0, ...subscriptions.map(({ reader }) => reader.bytesMax));
    this.#isAwaited = subscriptions.some(({ reader }) => reader.onMore !== undefined);
    if (this.#bytesMax === 0) this.#ring.clear();
  }

  /** Called by the engine when the next record is committed. The ring copies its bytes. */
  add(frame: Frame): void {
    if (this.#bytesMax > 0) this.#ring.add(frame, this.#bytesMax);
  }

  /** Called by the engine after the last `add` of a batch. */
  added(): void {
    if (!this.#isAwaited) return;
    if (this.#isUrgent) this.requestSync();
    this.advance();
  }

  /** Makes what is committed durable soon. */
  requestSync(): void {
    this.#source.log.requestSync();
  }

  get #isUrgent(): boolean {
    return this.#subscriptions.some(
      ({ reader }) => reader.onMore !== undefined && reader.isPatient?.() !== true,
    );
  }

  /** Called by the engine when more records may be durable or applied. */
  advance(): void {
    const subscriptions = this.#subscriptions;
    for (let i = 0; i < subscriptions.length; i++) {
      const subscription = subscriptions[i] as Subscription;
      const lsn = this.lastLsn(subscription.reader.reach);
      if (lsn <= subscription.toldLsn) continue;
      subscription.toldLsn = lsn;
      subscription.reader.onMore?.(lsn);
    }
  }

  async #readLog(fromLsn: Lsn, throughLsn: Lsn, bytesMax: number): Promise<FrameRun | FeedGap | undefined> {
    const { log } = this.#source;
    if (fromLsn < log.earliestLsn) return new FeedGap();
    const frames = await this.#fromFiles(() => log.read(fromLsn, bytesMax, throughLsn));
    return frames instanceof FeedGap ? frames : runOf(frames);
  }

  async #fromFiles<T>(read: () => Promise<T>): Promise<T | FeedGap> {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof WalReadError)) throw error;
      const damagedLsn = error.place?.lsn as Lsn | undefined;
      if (damagedLsn !== undefined) this.noteDamage(damagedLsn);
      return new FeedGap(damagedLsn);
    }
  }
}
