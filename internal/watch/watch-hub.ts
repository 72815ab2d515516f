/**
 * All watchers of one engine. It sees each record just before it is applied, finds
 * the watchers of each change by one lookup, and gives them one shared event. When
 * the feed says that records are durable and applied, those with something to take
 * are woken at the pace of the node, together unless much waits for them: then so many
 * bytes a turn. An engine without watchers has no witness and its feed no subscription.
 */
import type { Engine } from '#engine/engine.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import { asCaught } from '#watch/ends.ts';
import type { MessagePace } from '#watch/message-pace.ts';
import { RecordIntake } from '#watch/record-intake.ts';
import type { Room } from '#watch/room.ts';
import { WakeLine } from '#watch/wake-line.ts';
import type { Watcher } from '#watch/watcher.ts';

/** How often it looks whether the watchers may go on: role and engine may change. */
export const RECHECK_MS = 250;
/** Once so many bytes wait for those that were woken in a turn, the others are left to later turns: some milliseconds. */
export const WAKE_BYTES = 1_024 * 1_024;

/** What the hubs of a node share, and the seed of their own matcher. */
export interface HubParts {
  readonly room: Room;
  readonly clock: Clock;
  readonly pace: MessagePace;
  readonly seed: number;
  readonly onSlow: () => void;
}

export class WatchHub {
  readonly engine: Engine;
  readonly #room: Room;
  readonly #clock: Clock;
  readonly #pace: MessagePace;
  readonly #onSlow: () => void;
  readonly #intake: RecordIntake;
  readonly #watchers = new Set<Watcher>();
  /** Those to wake when more is durable and applied. */
  readonly #touched = new WakeLine<Watcher>();
  #endFeed: (() => void) | undefined;
  /** How many of them, from the first on, had something to take when the feed last said so. */
  #toWake = 0;
  /** Runs while those that are touched wait for the pace, or for a later turn. */
  #pause: Timer | undefined;
  #recheck: Timer | undefined;
  #ready: Position | undefined;

  constructor(engine: Engine, parts: HubParts) {
    this.engine = engine;
    this.#room = parts.room;
    this.#clock = parts.clock;
    this.#pace = parts.pace;
    this.#onSlow = parts.onSlow;
    this.#intake = new RecordIntake(engine, parts.seed, (watcher, hadRoom) =>
      this.#offered(watcher, hadRoom),
    );
  }

  get size(): number {
    return this.#watchers.size;
  }

  /** The last record that watchers may have. */
  get ready(): Position {
    const lsn = this.readyLsn;
    // One object for all watchers that are told so far.
    if (this.#ready?.lsn !== lsn) this.#ready = { epoch: this.engine.epochAt(lsn), lsn };
    return this.#ready;
  }

  get readyLsn(): Lsn {
    return this.engine.feed.lastLsn('applied');
  }

  /** The watcher is to be woken when more is durable and applied, until the record that it wants is. */
  touch(watcher: Watcher): void {
    this.#touched.add(watcher);
  }

  /** Returns how to close it: nothing is left of it here then. */
  open(watcher: Watcher): () => void {
    if (this.#watchers.size === 0) this.#begin();
    this.#watchers.add(watcher);
    return () => {
      this.#watchers.delete(watcher);
      this.#touched.remove(watcher);
      if (this.#watchers.size === 0) this.#end();
    };
  }

  /** From the next applied record on the watcher gets what it wants. Returns how to end that. */
  attach(watcher: Watcher): () => void {
    watcher.wantsLsn = this.engine.appliedLsn;
    this.touch(watcher);
    return this.#intake.attach(watcher);
  }

  /** Everything that was applied is in the queues of its watchers then. */
  settle(): void {
    this.#intake.settle();
  }

  #offered(watcher: Watcher, hadRoom: boolean): void {
    if (hadRoom) this.touch(watcher);
    else this.#onSlow();
    if (this.#room.isFull) this.#endLongest();
  }

  #endLongest(): void {
    let longest: Watcher | undefined;
    for (const watcher of this.#watchers) {
      if (watcher.keptBytes > (longest?.keptBytes ?? 0)) longest = watcher;
    }
    if (longest === undefined) return;
    longest.endSlow(
      'the changes that wait for all watchers are more than there is room for, and most wait for it',
    );
    this.#onSlow();
  }

  /** Ends the watcher that has had its part of the past for the longest, where that is `ms` or more. */
  endStalest(ms: number): void {
    let stalest: Watcher | undefined;
    let sinceMs = this.#clock.monotonicMs() - ms;
    for (const watcher of this.#watchers) {
      if (watcher.past.length === 0 || watcher.pastSinceMs > sinceMs) continue;
      stalest = watcher;
      sinceMs = watcher.pastSinceMs;
    }
    if (stalest === undefined) return;
    stalest.endSlow('others wait to read what was before, and what was read for it is not taken');
    this.#onSlow();
  }

  #begin(): void {
    const onMore = (): void => this.#wakeAtPace();
    const isPatient = (): boolean => this.#pause !== undefined;
    this.#endFeed = this.engine.feed.subscribe({ reach: 'applied', bytesMax: 0, onMore, isPatient });
    this.#lookLater();
  }

  #end(): void {
    this.#endFeed?.();
    this.#recheck?.cancel();
    this.#pause?.cancel();
    this.#endFeed = undefined;
    this.#recheck = undefined;
    this.#pause = undefined;
  }

  /** One wait for all watchers: what each could be told meanwhile becomes one message, and the messages few writes. */
  #wakeAtPace(): void {
    if (this.#pause !== undefined) return;
    const waitMs = this.#pace.waitMs(this.#clock.monotonicMs());
    if (waitMs <= 0) this.#wakeAll();
    else this.#pauseFor(waitMs, true);
  }

  /**
   * One fdatasync follows for all that was applied meanwhile. `forAll`: they are woken when
   * that is durable, together; otherwise at once.
   */
  #pauseFor(ms: number, forAll: boolean): void {
    this.#pause = this.#clock.after(ms, () => {
      this.#pause = undefined;
      const isAllReady = this.readyLsn >= this.engine.appliedLsn;
      if (!isAllReady) this.engine.feed.requestSync();
      if (isAllReady) this.#wakeAll();
      else if (!forAll) this.#wakeTouched();
    });
  }

  #wakeAll(): void {
    this.settle();
    this.#toWake = this.#touched.size;
    this.#wakeTouched();
  }

  /** Those that want more go to the end of the line, so that in the end each has its turn. */
  #wakeTouched(): void {
    const { readyLsn } = this;
    let bytes = 0;
    for (; this.#toWake > 0 && this.#touched.size > 0; this.#toWake--) {
      if (bytes >= WAKE_BYTES) {
        this.#pauseFor(0, false);
        return;
      }
      const watcher = this.#touched.next() as Watcher;
      bytes += watcher.live.bytes;
      if (watcher.wantsLsn > readyLsn) this.touch(watcher);
      watcher.wake();
    }
  }

  #lookLater(): void {
    this.#recheck = this.#clock.after(RECHECK_MS, () => {
      this.#room.dropCopies();
      for (const watcher of this.#watchers) {
        try {
          watcher.check();
        } catch (error) {
          watcher.end(asCaught(error));
        }
      }
      if (this.#watchers.size > 0) this.#lookLater();
    });
  }
}
