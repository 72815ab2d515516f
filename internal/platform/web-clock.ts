/** The `Clock` of a browser, which has no setImmediate. */
import type { Clock } from '#platform/clock.ts';
import { createTimerClock } from '#platform/timer-clock.ts';

export function createWebClock(): Clock {
  return createTimerClock(() => new Promise((resolve) => setTimeout(resolve, 0)));
}
