/** When a disk is full, by the line through what was free each minute. */
import { expect, it } from 'vitest';
import { FillTrend } from '#platform/fill-trend.ts';

const MINUTE_MS = 60_000;

/** `freeAt`: bytes free in that minute; looked at every ten seconds, as the process does. */
function after(minutes: number, freeAt: (minute: number) => number): number | undefined {
  const trend = new FillTrend();
  for (let ms = 0; ms < minutes * MINUTE_MS; ms += 10_000) trend.note(freeAt(ms / MINUTE_MS), ms);
  return trend.secondsLeft();
}

it('knows nothing for the first minutes', () => {
  expect([after(0, () => 1), after(9, (minute) => 1_000 - minute)]).toEqual([undefined, undefined]);
});

it('says none where the disk does not fill', () => {
  expect([after(60, () => 500), after(60, (minute) => 500 + minute)]).toEqual([undefined, undefined]);
});

it('counts the seconds until the line reaches zero', () => {
  // 100 a minute: of 10,000 there are 4,100 left after 59 minutes.
  expect(after(60, (minute) => 10_000 - 100 * minute)).toBeCloseTo(41 * 60, 6);
  // A checkpoint gives back what was written since the one before: the line goes through both.
  expect(after(60, (minute) => 10_000 - 100 * (minute % 10))).toBeGreaterThan(12 * 3_600);
  expect(after(60, (minute) => Math.max(0, 3_000 - 100 * minute))).toBe(0);
});

it('forgets what is older than six hours', () => {
  const freeAt = (minute: number): number => (minute < 400 ? 100_000 : 50_000 - (minute - 400));
  expect(after(1_000, freeAt)).toBeCloseTo((50_000 - 599) * 60, 3);
});
