/** What one watcher was told so far, and what it can be told now: makes the messages of its watch. */
import type { Position } from '#model/position.ts';
import {
  type EventRun,
  type ToldMessage,
  WATCH_PROGRESS_MS_DEFAULT,
  type WatchCommand,
  type WatchEvent,
  type WatchMessage,
} from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Room } from '#watch/room.ts';
import { Run } from '#watch/run.ts';
import type { WatchHub } from '#watch/watch-hub.ts';
import type { Watcher } from '#watch/watcher.ts';

export interface TellingParts {
  readonly clock: Clock;
  readonly room: Room;
  /** A message with so many events is made. */
  readonly onMessage: (events: number) => void;
}

const NO_EVENTS: readonly WatchEvent[] = [];

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

  /**
   * Takes what happened since it is attached, of records that are durable and applied, into the
   * run. Throws where the watch is over, also by what is matched for it only now.
   */
  takeLive(run = new Run()): Run | undefined {
    const { live } = this.#watcher;
    this.#hub.settle();
    this.#watcher.throwIfEnded();
    const { ready } = this.#hub;
    const taken = live.take(ready.lsn, run);
    const isAll = !live.hasUpTo(ready.lsn);
    if (taken !== undefined && isAll) taken.end = ready;
    else if (taken === undefined && ready.lsn > this.at.lsn) this.at = ready;
    return taken;
  }

  /** The message occupies its room until `taken` is called. */
  tell(run: Run): ToldMessage {
    const position = run.isFragment ? run.lastWhole : (run.end ?? run.lastWhole);
    if (position !== undefined && position.lsn > this.at.lsn) this.at = position;
    this.#parts.room.send(run.bytes);
    this.#sentBytes = run.bytes;
    return this.#message(run, run.isFragment, false);
  }

  /** The message that was told last is taken, or never will be. */
  taken(): void {
    this.#parts.room.taken(this.#sentBytes);
    this.#sentBytes = 0;
  }

  /** A message without events. */
  mark(isInitialDone = false): WatchMessage {
    return this.#message(NO_EVENTS, false, isInitialDone);
  }

  #message<E extends EventRun>(
    events: E,
    isFragment: boolean,
    isInitialDone: boolean,
  ): ToldMessage & { readonly events: E } {
    const { clock, onMessage } = this.#parts;
    this.#dueMs = clock.monotonicMs() + this.#progressMs;
    onMessage(events.length);
    const { logClock } = this.#hub.engine;
    return {
      events,
      position: this.at,
      canResume: this.canResume && !isFragment,
      isFragment,
      isInitialDone,
      wallShiftMs: logClock.shiftMs(logClock.nowMs()),
    };
  }
}
