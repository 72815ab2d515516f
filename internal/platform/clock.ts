/**
 * The time seam. Every room takes a `Clock` as a constructor parameter; only
 * `platform/` and the test doubles touch the real timers.
 */

/** A pending callback. Cancelling twice, or after it fired, does nothing. */
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
   * Resolves after pending I/O callbacks had a turn: what a long synchronous
   * job awaits between slices so that it never stalls the loop.
   */
  yield(): Promise<void>;
}
