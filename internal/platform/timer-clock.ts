/** A `Clock` over the timers that Node and browsers both have. */
import type { Clock, Timer } from '#platform/clock.ts';

/** Above this (2^31 - 1 ms) setTimeout fires at once, so longer waits are shortened to it. */
const TIMEOUT_MS_MAX = 2_147_483_647;

/** Node's global is an accessor, which costs more than the reading. */
const { performance } = globalThis;

export function createTimerClock(yieldToLoop: Clock['yield']): Clock {
  return { wallMs: Date.now, monotonicMs: () => performance.now(), sleep, after, yield: yieldToLoop };
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, Math.min(Math.max(0, ms), TIMEOUT_MS_MAX));
    signal?.addEventListener('abort', finish, { once: true });
  });
}

function after(ms: number, callback: () => void): Timer {
  const timer = setTimeout(callback, Math.min(Math.max(0, ms), TIMEOUT_MS_MAX));
  return { cancel: () => clearTimeout(timer) };
}
