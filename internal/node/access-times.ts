/**
 * When entries were last accessed here, to about a second and without a byte per entry: the store
 * stamps each access with the next number, and once a second it is noted how far it has come.
 */
import type { Engine } from '#engine/engine.ts';
import type { Clock, Timer } from '#platform/clock.ts';
import type { Store } from '#storage/store.ts';
import { TimeTable } from '#storage/time-table.ts';

export const ACCESS_LOOK_MS = 1_000;

export class AccessTimes {
  readonly #clock: Clock;
  readonly #engine: () => Engine | undefined;
  /** The store of which the times are. */
  #store: Store | undefined;
  #times = new TimeTable();
  #notedStamp = 0;
  #timer: Timer | undefined;

  constructor(clock: Clock, engine: () => Engine | undefined) {
    this.#clock = clock;
    this.#engine = engine;
  }

  start(): void {
    const store = this.#engine()?.store;
    if (store !== undefined) this.#note(store);
    this.#timer = this.#clock.after(ACCESS_LOOK_MS, () => this.start());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /**
   * The wall time of the last access of a stored entry, in whole seconds as milliseconds: at most
   * a second too late, and of one that is older than two minutes, by less than a 128th of its
   * age. For an access before the node had this store, when it got it.
   */
  lastMs(store: Store, key: string): number {
    this.#note(store);
    return this.#times.madeMs(store.stampOf(key)) ?? 0;
  }

  #note(store: Store): void {
    const { lastStamp } = store;
    if (store === this.#store && lastStamp === this.#notedStamp) return;
    if (store !== this.#store) this.#times = new TimeTable();
    this.#store = store;
    this.#notedStamp = lastStamp;
    this.#times.note(lastStamp, this.#clock.wallMs());
  }
}
