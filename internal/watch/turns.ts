/**
 * A few places for work that costs disk, memory and processor time, given in order to
 * who stands in line. Who is busy elsewhere when its turn comes is passed over and
 * keeps its position, so that nobody has a place without using it.
 */
import type { Clock, Timer } from '#platform/clock.ts';

/** How often those in line are looked at again where nobody may be served. */
const LOOK_MS = 20;

export interface TurnsOptions {
  readonly clock: Clock;
  readonly places: number;
  /** False: nobody is given a place for now. */
  readonly mayServe: () => boolean;
}

export class Turns {
  readonly #options: TurnsOptions;
  readonly #line = new Set<Turn>();
  #free: number;
  #look: Timer | undefined;
  /** Since when somebody has waited although there was a place. */
  #heldUpSinceMs: number | undefined;

  constructor(options: TurnsOptions) {
    this.#options = options;
    this.#free = options.places;
  }

  /** For how long those in line have waited for `mayServe` alone, milliseconds. */
  get heldUpMs(): number {
    const sinceMs = this.#heldUpSinceMs;
    return sinceMs === undefined ? 0 : this.#options.clock.monotonicMs() - sinceMs;
  }

  /** Stands in line. `onTurn` is called when it has a place, during `listen` at the earliest. */
  join(onTurn: () => void): Turn {
    const turn: Turn = new Turn(onTurn, {
      serve: () => this.#serve(),
      leave: () => {
        if (!this.#line.delete(turn)) this.#free++;
        this.#serve();
      },
    });
    this.#line.add(turn);
    return turn;
  }

  /** Waits for a place and resolves with how to give it back, once; undefined if `signal` aborted first. */
  take(signal: AbortSignal): Promise<(() => void) | undefined> {
    return new Promise((resolve) => {
      const turn = this.join(() => {
        signal.removeEventListener('abort', onAbort);
        resolve(() => turn.end());
      });
      const onAbort = (): void => {
        turn.end();
        resolve(undefined);
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      turn.listen();
    });
  }

  #serve(): void {
    for (const turn of this.#line) {
      if (this.#free === 0) break;
      if (!turn.isListening) continue;
      if (!this.#options.mayServe()) {
        this.#lookLater();
        return;
      }
      this.#line.delete(turn);
      this.#free--;
      turn.give();
    }
    this.#heldUpSinceMs = undefined;
  }

  #lookLater(): void {
    const { clock } = this.#options;
    this.#heldUpSinceMs ??= clock.monotonicMs();
    this.#look ??= clock.after(LOOK_MS, () => {
      this.#look = undefined;
      this.#serve();
    });
  }
}

/** One position in the line, then a place, until `end`. */
export class Turn {
  readonly #onTurn: () => void;
  readonly #line: { serve(): void; leave(): void };
  #isListening = false;
  #hasPlace = false;
  #isOver = false;

  constructor(onTurn: () => void, line: { serve(): void; leave(): void }) {
    this.#onTurn = onTurn;
    this.#line = line;
  }

  get isListening(): boolean {
    return this.#isListening;
  }

  get hasPlace(): boolean {
    return this.#hasPlace;
  }

  /** From now on it takes a place when its turn comes, perhaps at once. */
  listen(): void {
    this.#isListening = true;
    this.#line.serve();
  }

  /** It does something else: its turn would pass it over. */
  pause(): void {
    this.#isListening = false;
  }

  /** For `Turns`. */
  give(): void {
    this.#hasPlace = true;
    this.#isListening = false;
    this.#onTurn();
  }

  /** Gives the place back or leaves the line; a second call does nothing. */
  end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isListening = false;
    this.#line.leave();
  }
}
