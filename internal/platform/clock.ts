/**
 * The interface to time. Every room takes a `Clock` as a constructor parameter; only
 * `platform/` uses the real timers, and tests use a virtual clock.
 */

/** A pending callback. Cancelling twice, or after the call, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Wall time in whole milliseconds since the Unix epoch. May jump either way. */
  wallMs(): number;
  /** Monotonic time in milliseconds, fractional, from an arbitrary origin. */
  monotonicMs(): number;
  /**
   * Resolves after `ms` milliseconds, or as soon as `signal` aborts; it never
   * rejects, so loops test `signal.aborted` themselves.
   */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `callback` once after `ms` milliseconds unless cancelled. */
  after(ms: number, callback: () => void): Timer;
  /**
   * Resolves after pending I/O callbacks have run. A long synchronous job awaits
   * this between its slices, so that it does not stall the event loop.
   */
  yield(): Promise<void>;
}
