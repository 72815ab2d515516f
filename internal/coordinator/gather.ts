/** Waits for the answers of several members, but not for those that are slow or silent. */
import type { Clock } from '#platform/clock.ts';

/** The longest wait, milliseconds. */
const LIMIT_MS = 1_000;
/** How long the slower answers are waited for when there are enough. */
const GRACE_MS = 200;

/**
 * Resolves with the answers that came, at the latest after the limit. Calls that failed
 * are left out. `isEnough` is asked after each answer.
 */
export function gather<T>(
  clock: Clock,
  calls: readonly Promise<T>[],
  isEnough: (answers: readonly T[]) => boolean,
): Promise<T[]> {
  return new Promise((resolve) => {
    const answers: T[] = [];
    let left = calls.length;
    const finish = (): void => {
      limit.cancel();
      resolve([...answers]);
    };
    let limit = clock.after(LIMIT_MS, finish);
    let hasEnough = false;
    const settle = (): void => {
      left -= 1;
      if (left === 0) finish();
    };
    for (const call of calls) {
      call.then((answer) => {
        answers.push(answer);
        if (!hasEnough && isEnough(answers)) {
          hasEnough = true;
          limit.cancel();
          limit = clock.after(GRACE_MS, finish);
        }
        settle();
      }, settle);
    }
    if (left === 0) finish();
  });
}
