/**
 * All watchers of one engine. It sees each record just before it is applied, finds
 * the watchers of each change by one lookup, and gives them one shared event. When
 * the feed says that records are durable and applied, those with something to take
 * are woken at the pace of the node, together unless much waits for them: then so many
 * bytes a turn. An engine without watchers has no witness and its feed no subscription.
 */
import type { Engine } from '#engine/engine.ts';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { EncodedMutation } from '#model/encoded.ts';
import type { Entry } from '#model/entry.ts';
import type { Lsn, Position } from '#model/position.ts';
import type { WatchEvent, WatchOp } from '#model/watch.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Frame } from '#wal/frame.ts';
import { type Change, changeOf } from '#watch/change.ts';
import { asCaught } from '#watch/ends.ts';
import { EventBytes } from '#watch/event-bytes.ts';
import { KeyMatcher } from '#watch/key-matcher.ts';
import type { MessagePace } from '#watch/message-pace.ts';
import { pack } from '#watch/packed-change.ts';
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
  readonly #matcher: KeyMatcher<Watcher>;
  readonly #watchers = new Set<Watcher>();
  /** Those to wake when more is durable and applied. */
  readonly #touched = new WakeLine<Watcher>();
  #endFeed: (() => void) | undefined;
  /** How many of them, from the first on, had something to take when the feed last said so. */
  #toWake = 0;
  /** Runs while those that are touched wait for the pace, or for a later turn. */
  #pause: Timer | undefined;
  #recheck: Timer | undefined;
  /** Filled and emptied for each change. */
  readonly #found: Watcher[] = [];
  /** What the record that is being applied left of keys so far, where somebody asks for what was before. */
  readonly #left = new Map<string, Entry | undefined>();
  #ready: Position | undefined;
  /** Keys and values of events. */
  readonly #kept = new EventBytes();

  constructor(engine: Engine, parts: HubParts) {
    this.engine = engine;
    this.#room = parts.room;
    this.#clock = parts.clock;
    this.#pace = parts.pace;
    this.#onSlow = parts.onSlow;
    this.#matcher = new KeyMatcher(parts.seed);
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
    const remove = this.#matcher.add(watcher.target, watcher);
    this.engine.witness = this;
    return () => {
      remove();
      if (this.#matcher.size === 0 && this.engine.witness === this) this.engine.witness = undefined;
    };
  }

  /** The engine's side: the record is about to be applied. */
  beforeApply(frame: Frame): void {
    const mutation = recordKindOf(frame).walk(frame);
    if (mutation === undefined) return;
    const found = this.#found;
    let version: Position | undefined;
    while (mutation.next()) {
      found.length = 0;
      this.#matcher.match(mutation.bytes, mutation.keyOffset, mutation.keyBytes, found);
      keepConcerned(found, mutation.op);
      if (found.length === 0) continue;
      const [only] = found;
      if (found.length === 1 && only?.takesPacked === true && this.#offerPacked(only, mutation, frame))
        continue;
      version ??= { epoch: frame.epoch, lsn: frame.lsn };
      this.#offer(found, this.#changeOf(mutation, frame, version, found));
    }
    if (this.#left.size > 0) this.#left.clear();
  }

  #changeOf(mutation: EncodedMutation, frame: Frame, version: Position, found: readonly Watcher[]): Change {
    if (!found.some(({ withPrevious }) => withPrevious))
      return changeOf(mutation, frame, version, this.#kept, undefined);
    const { bytes, keyOffset, keyBytes } = mutation;
    const key = bytes.toString('utf8', keyOffset, keyOffset + keyBytes);
    const stored = this.#left.has(key) ? this.#left.get(key) : this.engine.store.peek(key);
    const change = changeOf(mutation, frame, version, this.#kept, stored);
    this.#left.set(key, entryAfter(change));
    return change;
  }

  /** Returns false where the change is too large to be packed. */
  #offerPacked(watcher: Watcher, mutation: EncodedMutation, frame: Frame): boolean {
    const place = pack(mutation, frame, this.#kept);
    if (place === undefined) return false;
    this.#offered(watcher, watcher.offerPacked(this.#kept.chunk, place));
    return true;
  }

  #offer(found: readonly Watcher[], change: Change): void {
    for (const watcher of found) this.#offered(watcher, watcher.offer(change));
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
    this.#toWake = this.#touched.size;
    if (this.#pause !== undefined) return;
    const waitMs = this.#pace.waitMs(this.#clock.monotonicMs());
    if (waitMs <= 0) this.#wakeTouched();
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
      if (isAllReady || !forAll) this.#wakeTouched();
    });
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

/** Leaves those that want the change, or that must know what it left, to be told that with a later one of its record. */
function keepConcerned(found: Watcher[], op: WatchOp): void {
  let count = 0;
  for (const watcher of found) if (watcher.withPrevious || watcher.wants(op)) found[count++] = watcher;
  found.length = count;
}

function entryAfter(event: WatchEvent): Entry | undefined {
  const { op, key, value, contentType, expireAtMs, version, previous } = event;
  if (op === 'touch') return previous && { ...previous, expireAtMs };
  return op === 'set' ? { key, value, contentType, expireAtMs, version } : undefined;
}
