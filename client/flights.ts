/**
 * Work of which all callers of a key have one result. It goes on while one of them waits for it, and is
 * given up with the last. The next caller begins anew then, and after its end.
 */
import { orGivenUp } from './give-up.ts';

/** How far the work is, which both sides note. */
export interface Progress {
  /** A value is being loaded. */
  isLoading: boolean;
  /** How many wait for the result. */
  callers: number;
}

export interface Flight<T> {
  /** How many of `callers` are nobody, but the work itself. */
  readonly own: number;
  readonly result: Promise<T>;
  readonly aborter: AbortController;
  readonly progress: Progress;
}

export class Flights<T> {
  readonly #underWay = new Map<string, Flight<T>>();

  get(key: string): Flight<T> | undefined {
    return this.#underWay.get(key);
  }

  /**
   * Begins the work for a key that has none. `signal` aborts once nobody waits for it. `own`: 1 for work
   * that goes on where nobody does.
   */
  begin(key: string, work: (signal: AbortSignal, progress: Progress) => Promise<T>, own = 0): Flight<T> {
    const aborter = new AbortController();
    const progress = { isLoading: false, callers: own };
    const result = work(aborter.signal, progress).finally(() => this.#remove(key, flight));
    const flight: Flight<T> = { own, result, aborter, progress };
    this.#underWay.set(key, flight);
    return flight;
  }

  /** The result, for one caller more. */
  async wait(key: string, flight: Flight<T>, signal: AbortSignal | undefined): Promise<T> {
    flight.progress.callers++;
    try {
      return await orGivenUp(flight.result, signal);
    } finally {
      flight.progress.callers--;
      // What has its result already is not given up.
      if (flight.progress.callers === 0 && this.#remove(key, flight)) flight.aborter.abort();
    }
  }

  /** Gives up what nobody waits for. */
  endUnwanted(): void {
    for (const { progress, aborter, own } of this.#underWay.values())
      if (progress.callers === own) aborter.abort();
  }

  #remove(key: string, flight: Flight<T>): boolean {
    return this.#underWay.get(key) === flight && this.#underWay.delete(key);
  }
}
