/** The production `Clock`, over Node's timers. */
import type { Clock } from '#platform/clock.ts';
import { createTimerClock } from '#platform/timer-clock.ts';

export function createNodeClock(): Clock {
  return createTimerClock(() => new Promise((resolve) => setImmediate(resolve)));
}
