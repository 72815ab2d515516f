/** What is said of a log clock and a wall clock that differ: once each time that it changes, in one form. */
import { describe, expect, it } from 'vitest';
import type { Engine } from '#engine/engine.ts';
import { CLOCK_LOOK_MS, ClockWatch, describeClockOffset } from '#node/clock-watch.ts';
import { silentLogger } from '#platform/logger.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const HOUR_MS = 3_600_000;

async function linesOf(offsetsMs: readonly number[]): Promise<string[]> {
  const lines: string[] = [];
  const say = (_fields: object, message: string): void => void lines.push(message);
  const clock = new VirtualClock();
  let aheadMs = 0;
  const logClock = { nowMs: () => 0, aheadMs: () => aheadMs, wallOffsetMs: 0, shiftMs: () => 0 };
  const engine = { logClock } as unknown as Engine;
  const watch = new ClockWatch(clock, { ...silentLogger, warn: say, info: say }, () => engine);
  watch.start();
  for (const offsetMs of offsetsMs) {
    aheadMs = offsetMs;
    await clock.advance(CLOCK_LOOK_MS);
  }
  watch.stop();
  return lines.map((line) => line.replace(/:.*/, ''));
}

const AGREES = 'the log clock agrees with the wall clock again';

describe('ClockWatch', () => {
  it('says once that the clocks differ, and once that they agree again', async () => {
    expect(await linesOf([0, 2 * HOUR_MS, 2 * HOUR_MS - 250, HOUR_MS, 0, 0])).toEqual([
      "the log clock is 2h 0m ahead of this machine's wall clock",
      AGREES,
    ]);
  });

  it('says so again where the offset changes its sign between two looks', async () => {
    expect(await linesOf([2 * HOUR_MS, -90_000, -80_000, 20_000, 0])).toEqual([
      "the log clock is 2h 0m ahead of this machine's wall clock",
      "the log clock is 1m 30s behind this machine's wall clock",
      "the log clock is 20.0s ahead of this machine's wall clock",
      AGREES,
    ]);
  });
});

describe('describeClockOffset', () => {
  it.each([
    [10_000, undefined],
    [-10_000, undefined],
    [12_340, "the log clock is 12.3s ahead of this machine's wall clock"],
    [-59_999, "the log clock is 1m 0s behind this machine's wall clock"],
    [86_400_000 * 3_652, "the log clock is 3652d 0h ahead of this machine's wall clock"],
  ])('%d ms ahead', (aheadMs, said) => {
    const reason = describeClockOffset({ logMs: 0, aheadMs, wallOffsetMs: 0, shiftMs: 0 });
    expect(reason?.replace(/:.*/, '')).toBe(said);
  });
});
