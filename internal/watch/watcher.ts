/**
 * One watcher as the hub sees it: what it wants, the changes that wait for it, and
 * whether it is over. However it ends, its memory is free at once, and what waits
 * for it is woken.
 */
import { WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { NO_LSN } from '#model/position.ts';
import type { WatchCommand, WatchOp, WatchTarget } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Change, ChangeForm } from '#watch/change.ts';
import { ChangeQueue } from '#watch/change-queue.ts';
import type { Chunk } from '#watch/event-bytes.ts';
import { packedLsn } from '#watch/packed-change.ts';
import type { Room } from '#watch/room.ts';
import { bytesOfTarget } from '#watch/target.ts';
import type { InLine } from '#watch/wake-line.ts';

export class Watcher implements ChangeForm, InLine {
  readonly target: WatchTarget;
  /** The same as UTF-8. */
  readonly targetBytes: Buffer;
  readonly keysOnly: boolean;
  readonly withPrevious: boolean;
  /** Changes of records that were applied since it was attached. */
  readonly live: ChangeQueue;
  /** Changes that were logged before, and initial events: read when it can take them. */
  readonly past: ChangeQueue;
  /** When the first of `past` was read, by the monotonic clock. */
  pastSinceMs = 0;
  /** It is to be woken until this record is durable and applied. */
  wantsLsn: Lsn = NO_LSN;
  isInLine = false;
  /** Throws why the watch cannot go on; set by its session. */
  check: () => void = () => {};
  /** Called when it is woken. */
  onWake: (() => void) | undefined;
  readonly #ops: readonly WatchOp[] | undefined;
  readonly #room: Room;
  readonly #clock: Clock;
  /** Made when its signal is first asked for. */
  #aborter: AbortController | undefined;
  #error: WalnutError | undefined;
  #isWoken = false;
  #wake: (() => void) | undefined;

  constructor(command: WatchCommand, room: Room, clock: Clock) {
    this.target = command.target;
    this.targetBytes = bytesOfTarget(command.target);
    this.keysOnly = command.keysOnly;
    this.withPrevious = command.withPrevious;
    this.#ops = command.ops;
    this.#room = room;
    this.#clock = clock;
    this.live = new ChangeQueue(room, this);
    this.past = new ChangeQueue(room.past, this);
  }

  /** Aborts when the watch is over. */
  get signal(): AbortSignal {
    this.#aborter ??= new AbortController();
    if (this.#error !== undefined) this.#aborter.abort();
    return this.#aborter.signal;
  }

  /** Bytes of memory that it keeps by not reading, about. */
  get keptBytes(): number {
    return this.live.keptBytes + this.past.keptBytes;
  }

  wants(op: WatchOp): boolean {
    return this.#ops === undefined || this.#ops.includes(op);
  }

  /** It needs nothing of a change but what a packed one has. */
  get takesPacked(): boolean {
    return !this.withPrevious;
  }

  /** A change of a record that is being applied. Returns false where it was too much: then the watch is over. */
  offer(change: Change): boolean {
    if (this.#error !== undefined || !this.wants(change.op)) return true;
    this.live.push(change);
    return this.#hasRoomAt(change.version.lsn);
  }

  /** The same for a change that no other watcher gets, of an operation that it wants. */
  offerPacked(chunk: Chunk, place: number): boolean {
    if (this.#error !== undefined) return true;
    this.live.pushPacked(chunk, place);
    return this.#hasRoomAt(packedLsn(chunk, place));
  }

  #hasRoomAt(lsn: Lsn): boolean {
    this.wantsLsn = lsn;
    const bytesMax = this.#room.queueBytesMax;
    if (this.live.bytes <= bytesMax || this.live.isAllOf(lsn)) return true;
    this.endSlow(`more than ${bytesMax} bytes of changes wait for it`);
    return false;
  }

  endSlow(why: string): void {
    const message = `this watcher is too slow: ${why}. Go on from where it was, or watch less`;
    this.end(new WalnutError('resource_exhausted', message));
  }

  /** Only the first time counts. */
  end(error: WalnutError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    this.live.clear();
    this.past.clear();
    this.#aborter?.abort();
    this.wake();
  }

  throwIfEnded(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  wake(): void {
    this.#isWoken = true;
    this.#wake?.();
    this.onWake?.();
  }

  /** Resolves when it is woken, at once where it was since the last call, or after `ms`. */
  async untilWoken(ms: number): Promise<void> {
    if (!this.#isWoken && this.#error === undefined) {
      await new Promise<void>((resolve) => {
        const timer = this.#clock.after(ms, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    this.#wake = undefined;
    this.#isWoken = false;
  }
}
