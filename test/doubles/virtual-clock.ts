/**
 * A `Clock` whose time passes only when a test says so.
 *
 * `advance` fires due timers in order of their deadline (those of the same
 * moment in the order they were set), and lets promises and `yield`s settle
 * after each, so that what a timer starts runs before the next one fires.
 * Nothing here waits for real time. A job that never stops yielding fails the
 * test by `settle` throwing instead of hanging it.
 */
import type { Clock, Timer } from '#platform/clock.ts';

/** Turns of the event loop that `settle` grants before it calls the job endless. */
const SETTLE_TURNS_MAX = 100_000;
/** 2026-01-01T00:00:00Z: a plain moment, so that deadlines in failures read well. */
const WALL_START_MS = 1_767_225_600_000;

interface Pending {
  readonly dueMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export interface VirtualClockOptions {
  /** Wall time at the start, milliseconds since the Unix epoch. */
  readonly wallMs?: number;
  /** Monotonic time at the start, milliseconds. */
  readonly monotonicMs?: number;
}

/** How the wall time of one node differs from the common one. */
export interface Skew {
  /** Added to the wall time. */
  readonly offsetMs?: number;
  /** Wall milliseconds that pass per monotonic millisecond, from now on; 1 is a right clock. */
  readonly rate?: number;
}

export class VirtualClock implements Clock {
  #monotonicMs: number;
  #wallMs: number;
  #wallRate = 1;
  #order = 0;
  #yields = 0;
  readonly #timers = new Set<Pending>();

  constructor(options: VirtualClockOptions = {}) {
    this.#wallMs = options.wallMs ?? WALL_START_MS;
    this.#monotonicMs = options.monotonicMs ?? 0;
  }

  wallMs(): number {
    return Math.floor(this.#wallMs);
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepOn(this, ms, signal);
  }

  after(ms: number, callback: () => void): Timer {
    const pending = { dueMs: this.#monotonicMs + Math.max(0, ms), order: this.#order++, callback };
    this.#timers.add(pending);
    return { cancel: () => this.#timers.delete(pending) };
  }

  yield(): Promise<void> {
    this.#yields += 1;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#yields -= 1;
        resolve();
      });
    });
  }

  /** Timers and sleeps that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Lets promises and `yield`s run until none is left, without time passing. */
  async settle(): Promise<void> {
    let turns = 0;
    do {
      await new Promise((resolve) => setImmediate(resolve));
      turns += 1;
      if (turns > SETTLE_TURNS_MAX) throw new Error(`virtual clock: still yielding after ${turns} turns`);
    } while (this.#yields > 0);
  }

  /** Lets `ms` milliseconds pass, firing what falls due. */
  async advance(ms: number): Promise<void> {
    await this.settle();
    const endMs = this.#monotonicMs + ms;
    for (let next = this.#next(); next !== undefined && next.dueMs <= endMs; next = this.#next()) {
      await this.#fire(next);
    }
    this.#passTo(endMs);
    await this.settle();
  }

  /**
   * Fires timer after timer until `condition` is true; throws when `limitMs`
   * milliseconds of virtual time did not suffice, or no timer is left to fire.
   */
  async advanceUntil(condition: () => boolean, limitMs: number): Promise<void> {
    await this.settle();
    const endMs = this.#monotonicMs + limitMs;
    while (!condition()) {
      const next = this.#next();
      if (next === undefined)
        throw new Error('virtual clock: no timer is left and the condition does not hold');
      if (next.dueMs > endMs)
        throw new Error(`virtual clock: the condition does not hold after ${limitMs} ms`);
      await this.#fire(next);
    }
  }

  /** Makes wall time jump to `ms`, either way. Timers are monotonic and do not notice. */
  setWall(ms: number): void {
    this.#wallMs = ms;
  }

  /** From now on wall time runs at `rate` times the monotonic one. */
  setWallRate(rate: number): void {
    this.#wallRate = rate;
  }

  /** A clock on the same timeline and timers with a wall time of its own: for another node. */
  skewed(skew: Skew): Clock {
    const startMs = this.#monotonicMs;
    const { offsetMs = 0, rate = 1 } = skew;
    return {
      wallMs: () => Math.floor(this.#wallMs + offsetMs + (this.#monotonicMs - startMs) * (rate - 1)),
      monotonicMs: () => this.monotonicMs(),
      sleep: (ms, signal) => this.sleep(ms, signal),
      after: (ms, callback) => this.after(ms, callback),
      yield: () => this.yield(),
    };
  }

  #next(): Pending | undefined {
    let best: Pending | undefined;
    for (const timer of this.#timers) {
      const isEarlier =
        best === undefined ||
        timer.dueMs < best.dueMs ||
        (timer.dueMs === best.dueMs && timer.order < best.order);
      if (isEarlier) best = timer;
    }
    return best;
  }

  async #fire(timer: Pending): Promise<void> {
    this.#timers.delete(timer);
    this.#passTo(timer.dueMs);
    timer.callback();
    await this.settle();
  }

  #passTo(monotonicMs: number): void {
    const passedMs = monotonicMs - this.#monotonicMs;
    if (passedMs <= 0) return;
    this.#monotonicMs = monotonicMs;
    this.#wallMs += passedMs * this.#wallRate;
  }
}

/** `Clock.sleep` by way of `after`. */
export function sleepOn(clock: Pick<Clock, 'after'>, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = (): void => {
      timer.cancel();
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = clock.after(ms, finish);
    signal?.addEventListener('abort', finish, { once: true });
  });
}
