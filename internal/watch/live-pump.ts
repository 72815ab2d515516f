/**
 * Tells a watcher what happens through an outlet, in the turn in which it may be told:
 * no promise, timer or iteration for a message. What the outlet does not take waits in
 * the watcher's queue, where its bounds apply.
 */
import type { ToldMessage, WatchOutlet } from '#model/watch.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { MessagePace } from '#watch/message-pace.ts';
import { LOOK_MS, type Room } from '#watch/room.ts';
import type { Run } from '#watch/run.ts';
import type { Telling } from '#watch/telling.ts';
import type { Watcher } from '#watch/watcher.ts';

export interface PumpParts {
  readonly watcher: Watcher;
  readonly telling: Telling;
  readonly outlet: WatchOutlet;
  readonly clock: Clock;
  readonly room: Room;
  readonly pace: MessagePace;
  /** The run of all that are told in this way. */
  readonly run: Run;
  /** Throws why the watch is over. */
  readonly check: () => void;
}

export class LivePump {
  readonly #parts: PumpParts;
  #fail: (error: unknown) => void = () => {};
  #isOver = false;
  /** The outlet takes no more until it says so. */
  #isFull = false;
  /** A large message that waits for room. */
  #held: Run | undefined;
  /** Runs while a message waits for room. */
  #pause: Timer | undefined;
  /** Runs until a message is due although nothing happens, or was due before others were sent. */
  #due: Timer | undefined;

  constructor(parts: PumpParts) {
    this.#parts = parts;
  }

  /** Tells until the watch is over, and rejects with the reason. */
  run(): Promise<never> {
    const { watcher } = this.#parts;
    return new Promise<never>((_, reject) => {
      this.#fail = reject;
      watcher.onWake = () => this.#go();
      this.#go();
    });
  }

  #go(): void {
    if (this.#isOver) return;
    try {
      this.#parts.watcher.throwIfEnded();
      if (this.#isFull || this.#pause !== undefined) return;
      this.#parts.check();
      this.#tell();
    } catch (error) {
      this.#end(error);
    }
  }

  #tell(): void {
    const { telling, pace, clock, room, run } = this.#parts;
    for (let next = this.#held ?? telling.takeLive(run); next !== undefined; next = telling.takeLive(run)) {
      if (!room.maySend(next.bytes)) {
        this.#held = next.kept();
        this.#lookLater();
        return;
      }
      this.#held = undefined;
      pace.note(clock.monotonicMs());
      const mayGoOn = this.#send(telling.tell(next));
      next.clear();
      if (!mayGoOn) return;
    }
    if (telling.isDue && !this.#send(telling.mark())) return;
    this.#due ??= clock.after(telling.dueInMs, () => {
      this.#due = undefined;
      this.#go();
    });
  }

  #send(message: ToldMessage): boolean {
    this.#isFull = !this.#parts.outlet.send(message, this.#onReady);
    if (!this.#isFull) this.#parts.telling.taken();
    return !this.#isFull;
  }

  readonly #onReady = (): void => {
    this.#isFull = false;
    this.#parts.telling.taken();
    this.#go();
  };

  #lookLater(): void {
    this.#pause = this.#parts.clock.after(LOOK_MS, () => {
      this.#pause = undefined;
      this.#go();
    });
  }

  #end(error: unknown): void {
    this.#isOver = true;
    this.#parts.watcher.onWake = undefined;
    this.#pause?.cancel();
    this.#due?.cancel();
    this.#fail(error);
  }
}
