/**
 * One snapshot a second for all who look, and none while nobody does. A viewer that is slow
 * in taking one gets the newest afterwards: nothing is kept for it.
 */
import { WalnutError } from '#model/errors.ts';
import type { Clock, Timer } from '#platform/clock.ts';

export const EVERY_MS = 1_000;
/** Each viewer costs a connection and one write a second. */
export const VIEWERS_MAX = 32;

const RETRY_AFTER_S = 10;

/** One who looks. `wake` gets the next snapshot, or undefined when there is none any more. */
interface Viewer {
  readonly caller: string;
  wake(snapshot: Promise<Uint8Array> | undefined): void;
  /** Its place was given to another, of which it is told when it takes the next snapshot. */
  isEnded: boolean;
}

export class LiveFeed {
  readonly #clock: Clock;
  readonly #make: () => Promise<Uint8Array>;
  readonly #viewers = new Set<Viewer>();
  /** The newest snapshot, and the timer of the next one; undefined while nobody looks. */
  #newest: Promise<Uint8Array> | undefined;
  #timer: Timer | undefined;

  /** `make`: the snapshot of this moment. Where it rejects, all viewers end with its error. */
  constructor(clock: Clock, make: () => Promise<Uint8Array>) {
    this.#clock = clock;
    this.#make = make;
  }

  /**
   * Snapshots until `signal` aborts. `caller` names who looks. Where as many look already as
   * may, the oldest viewer of the caller that has most is ended. Throws `rate_limited` where no
   * caller has more than one, or where this viewer is ended so, and what `make` rejected with.
   */
  async *view(signal: AbortSignal, caller: string): AsyncGenerator<Uint8Array, void, undefined> {
    if (this.#viewers.size >= VIEWERS_MAX) this.#endOne();
    const viewer: Viewer = { caller, wake: () => {}, isEnded: false };
    const leave = (): void => this.#leave(viewer);
    this.#viewers.add(viewer);
    signal.addEventListener('abort', leave, { once: true });
    try {
      if (this.#newest === undefined) this.#tick();
      let snapshot = await this.#newest;
      while (snapshot !== undefined && !signal.aborted) {
        yield snapshot;
        snapshot = await this.#next(viewer, signal);
      }
    } finally {
      signal.removeEventListener('abort', leave);
      leave();
    }
  }

  #next(viewer: Viewer, signal: AbortSignal): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      if (signal.aborted) resolve(undefined);
      else if (viewer.isEnded) throw ended();
      else viewer.wake = resolve;
    });
  }

  /** Callers that never read their streams keep nobody out. */
  #endOne(): void {
    const of = Map.groupBy(this.#viewers, ({ caller }) => caller);
    const [oldest, ...others] = [...of.values()].reduce((most, each) =>
      each.length > most.length ? each : most,
    );
    if (oldest === undefined || others.length === 0)
      throw refused(`${VIEWERS_MAX} pages are open already, each of another caller: look at another node`);
    oldest.isEnded = true;
    this.#viewers.delete(oldest);
    const end = Promise.reject(ended());
    // A viewer that does not wait now is told when it takes the next snapshot.
    end.catch(() => {});
    oldest.wake(end);
  }

  #leave(viewer: Viewer): void {
    viewer.wake(undefined);
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
    this.#timer?.cancel();
    this.#newest = undefined;
  }

  #tick(): void {
    const snapshot = this.#make();
    // A viewer that does not wait now has no use for the error.
    snapshot.catch(() => {});
    this.#newest = snapshot;
    for (const viewer of this.#viewers) viewer.wake(snapshot);
    this.#timer = this.#clock.after(EVERY_MS, () => this.#tick());
  }
}

function ended(): WalnutError {
  return refused(
    `${VIEWERS_MAX} pages are open, most of them by this caller, so that this one gave its place to a newer one`,
  );
}

function refused(message: string): WalnutError {
  return new WalnutError('rate_limited', message, { nothingDone: true, retryAfterS: RETRY_AFTER_S });
}
