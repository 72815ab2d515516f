/** Which snapshots alarms compare. */
import { expect, it } from 'vitest';
import { History } from '#page/assets/history.js';
import { AT_MS, snapshotOf } from '#test/page/snapshots.ts';

const at = (seconds: number) => snapshotOf({ atMs: AT_MS + seconds * 1_000 });
const secondsOf = ({ moments: { now, before, past } }: History) =>
  [now, before, past].map(({ atMs }) => (atMs - AT_MS) / 1_000);

it('those of a minute and of an hour ago, or the first ones', () => {
  const history = new History();
  expect(history.last).toBe(undefined);
  for (let second = 0; second <= 30; second++) history.add(at(second));
  expect(secondsOf(history)).toEqual([30, 0, 0]);
  for (let second = 31; second <= 4_000; second++) history.add(at(second));
  expect(secondsOf(history)).toEqual([4_000, 3_940, 420]);
});

it('none of another process, or of a clock that was set back', () => {
  const history = new History();
  history.add(at(9));
  expect(
    [at(9), at(10), at(8), snapshotOf({ kind: 'gateway', atMs: AT_MS + 10_000 })].map((one) =>
      history.takes(one),
    ),
  ).toEqual([true, true, false, false]);
});
