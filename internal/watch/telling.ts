/** What one watcher was told so far, and what it can be told now: makes the messages of its watch. */
import type { Position } from '#model/position.ts';
import { WATCH_PROGRESS_MS_DEFAULT, type WatchCommand, type WatchMessage } from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Change } from '#watch/change.ts';
import type { Taken } from '#watch/change-queue.ts';
import type { Room } from '#watch/room.ts';
import type { WatchHub } from '#watch/watch-hub.ts';
import type { Watcher } from '#watch/watcher.ts';

export interface TellingParts {
  readonly clock: Clock;
  readonly room: Room;
  /** A message with so many events is made. */
  readonly onMessage: (events: number) => void;
}

/** The changes of a message that is not made yet. */
export interface Tellable {
  readonly taken: Taken;
  /** Where the watcher is when it has the message; undefined: where its events say. */
  readonly end: Position | undefined;
}

const NO_CHANGES: readonly Change[] = [];

export class Telling {
  /** All records up to here were told, or are of no interest. */
  at: Position;
  canResume: boolean;
  readonly #watcher: Watcher;
  readonly #hub: WatchHub;
  readonly #parts: TellingParts;
  readonly #progressMs: number;
  #dueMs = 0;
  /** Bytes of the message that is handed over and not taken yet. */
  #sentBytes = 0;

  constructor(command: WatchCommand, watcher: Watcher, hub: WatchHub, parts: TellingParts) {
    this.#watcher = watcher;
    this.#hub = hub;
    this.#parts = parts;
    this.#progressMs = command.progressEveryMs || WATCH_PROGRESS_MS_DEFAULT;
    this.at = command.after ?? hub.ready;
    this.canResume = !command.isInitial;
  }

  /** How long it may be until a message is due although nothing happens; 0 or less: it is due. */
  get dueInMs(): number {
    return this.#dueMs - this.#parts.clock.monotonicMs();
  }

  /** True once a message was made. */
  get isBegun(): boolean {
    return this.#dueMs > 0;
  }

  get isDue(): boolean {
    return this.dueInMs <= 0;
  }

  /** Takes what happened since it is attached, of records that are durable and applied. */
  takeLive(): Tellable | undefined {
    const { live } = this.#watcher;
    this.#hub.settle();
    const { ready } = this.#hub;
    const taken = live.take(ready.lsn);
    const isAll = !live.hasUpTo(ready.lsn);
    if (taken !== undefined) return { taken, end: isAll ? ready : undefined };
    if (ready.lsn > this.at.lsn) this.at = ready;
    return undefined;
  }

  /** The message occupies its room until `taken` is called. */
  tell({ taken, end }: Tellable): WatchMessage {
    const position = taken.isFragment ? taken.lastWhole : (end ?? taken.lastWhole);
    if (position !== undefined && position.lsn > this.at.lsn) this.at = position;
    this.#parts.room.send(taken.bytes);
    this.#sentBytes = taken.bytes;
    return this.#message(taken.changes, taken.isFragment, false);
  }

  /** The message that was told last is taken, or never will be. */
  taken(): void {
    this.#parts.room.taken(this.#sentBytes);
    this.#sentBytes = 0;
  }

  /** A message without events. */
  mark(isInitialDone = false): WatchMessage {
    return this.#message(NO_CHANGES, false, isInitialDone);
  }

  #message(changes: readonly Change[], isFragment: boolean, isInitialDone: boolean): WatchMessage {
    const { clock, onMessage } = this.#parts;
    this.#dueMs = clock.monotonicMs() + this.#progressMs;
    onMessage(changes.length);
    const { logClock } = this.#hub.engine;
    return {
      events: changes.map((change) => change.as(this.#watcher)),
      position: this.at,
      canResume: this.canResume && !isFragment,
      isFragment,
      isInitialDone,
      wallShiftMs: logClock.shiftMs(logClock.nowMs()),
    };
  }
}
