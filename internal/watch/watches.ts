/** All watches of a node: what they share, and a hub for the engine that there is now. */
import type { Engine } from '#engine/engine.ts';
import { WalnutError } from '#model/errors.ts';
import {
  WATCH_BYTES_MAX,
  WATCHERS_MAX,
  type WatchCommand,
  type WatchMessage,
  type WatchOutlet,
  type WatchStatus,
} from '#model/watch.ts';
import type { Clock } from '#platform/clock.ts';
import type { Random } from '#platform/random.ts';
import { MessagePace } from '#watch/message-pace.ts';
import { Room } from '#watch/room.ts';
import { Run } from '#watch/run.ts';
import { Turns } from '#watch/turns.ts';
import { WatchHub } from '#watch/watch-hub.ts';
import { type SessionParts, type WatchContext, WatchSession } from '#watch/watch-session.ts';
import { Watcher } from '#watch/watcher.ts';

/** Watchers for which log or store are read at once. */
const READERS_MAX = 4;
/** How long a watcher may leave unsent what was read for it, while others wait for that room. */
export const HELD_UP_MS_MAX = 5_000;

export class Watches {
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #room: Room;
  readonly #turns: Turns;
  readonly #pace = new MessagePace();
  readonly #parts: SessionParts;
  #hub: WatchHub | undefined;
  #watchers = 0;
  #events = 0;
  #messages = 0;
  #slow = 0;

  /** `bytesMax`: changes that may wait for all watchers together. */
  constructor(clock: Clock, random: Random, bytesMax = WATCH_BYTES_MAX) {
    this.#clock = clock;
    this.#random = random;
    this.#room = new Room(clock, bytesMax);
    this.#turns = new Turns({ clock, places: READERS_MAX, mayServe: () => this.#mayReadPast() });
    this.#parts = {
      clock,
      room: this.#room,
      turns: this.#turns,
      pace: this.#pace,
      run: new Run(),
      onMessage: (events) => {
        this.#messages++;
        this.#events += events;
      },
      onEnd: () => {
        this.#watchers--;
      },
    };
  }

  get status(): WatchStatus {
    const [watchers, bytes] = [this.#watchers, this.#room.waitingBytes];
    return { watchers, bytes, events: this.#events, messages: this.#messages, slow: this.#slow };
  }

  /**
   * Watches until `signal` aborts or something ends it; the caller asks for the first
   * message at once. `after` is in the history here, and applied. Throws
   * `resource_exhausted` where there are too many watchers.
   */
  watch(
    command: WatchCommand,
    context: WatchContext,
    signal: AbortSignal,
    outlet?: WatchOutlet,
  ): AsyncGenerator<WatchMessage> {
    if (this.#watchers >= WATCHERS_MAX) {
      throw new WalnutError(
        'resource_exhausted',
        `${WATCHERS_MAX} watchers are here already: watch another node`,
      );
    }
    const hub = this.#hubOf(context.engine());
    const watcher = new Watcher(command, this.#room, this.#clock);
    const session = new WatchSession(command, watcher, hub, context, this.#parts);
    this.#watchers++;
    return session.messages(signal, outlet);
  }

  /** While the room stays full, the watcher that has had its part for longest loses it, and the others go on. */
  #mayReadPast(): boolean {
    if (this.#room.hasRoomForPast) return true;
    if (this.#turns.heldUpMs >= HELD_UP_MS_MAX) this.#hub?.endStalest(HELD_UP_MS_MAX);
    return this.#room.hasRoomForPast;
  }

  #hubOf(engine: Engine): WatchHub {
    if (this.#hub?.engine !== engine) {
      const onSlow = (): void => void this.#slow++;
      this.#hub = new WatchHub(engine, {
        room: this.#room,
        clock: this.#clock,
        pace: this.#pace,
        seed: this.#random.uint32(),
        onSlow,
      });
    }
    return this.#hub;
  }
}
