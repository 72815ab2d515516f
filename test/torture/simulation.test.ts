/** The short form of `npm run test:torture -- --only wal`: fixed seeds. */
import { describe, expect, it } from 'vitest';
import { parseTortureOptions } from './run-options.ts';
import { createCounts, FAULTS, simulate, simulateEveryCall } from './simulation.ts';

/** Computing all along: the limit is for machines that do other things meanwhile. */
const TIMEOUT_MS = 120_000;

describe('a master on a disk that fails', { timeout: TIMEOUT_MS }, () => {
  it('recovers an exact prefix with all that was promised, fault after fault', async () => {
    const counts = createCounts();
    for (let seed = 1; seed <= 80; seed++) await simulate(seed, counts);
    // Every kind of fault was met, and there was something to lose.
    for (const fault of FAULTS) expect(counts.faults[fault], fault).toBeGreaterThan(20);
    expect(counts.powerCuts).toBeGreaterThan(150);
    expect(counts.acked).toBeGreaterThan(5_000);
    expect(counts.refused).toBeGreaterThan(20);
    expect(counts.unknownKept).toBeGreaterThan(10);
    expect(counts.unknownLost).toBeGreaterThan(100);
  });

  it('loses nothing promised when the power goes at any call of its first life', async () => {
    const counts = createCounts();
    let calls = 0;
    for (const seed of [3, 8]) calls += await simulateEveryCall(seed, counts);
    expect(calls).toBeGreaterThan(100);
    expect(counts.powerCuts).toBeGreaterThanOrEqual(calls);
  });
});

describe('the arguments of the long run', () => {
  it('are taken', () => {
    expect(parseTortureOptions([], 7)).toEqual({ only: undefined, seed: 7, seconds: 300, rounds: 300 });
    expect(parseTortureOptions(['--seed', '5', '--only', 'wal', '--seconds', '60'], 7)).toEqual({
      only: 'wal',
      seed: 5,
      seconds: 60,
      rounds: 300,
    });
    expect(parseTortureOptions(['--rounds', '2'], 7)).toMatchObject({ rounds: 2 });
  });

  it.each([
    ['--seed'],
    ['--seed', '-1'],
    ['--seed', '1x'],
    ['--seed', '4294967296'],
    ['--seconds', '0'],
    ['--rounds', '0'],
    ['--only', 'wall'],
    ['--sed', '1'],
    ['--seed', '1', '--seed', '2'],
    ['wal', 'x'],
  ])('are refused where they are wrong: %s %s', (...argv) => {
    expect(
      typeof parseTortureOptions(
        argv.filter((each) => each !== undefined),
        1,
      ),
    ).toBe('string');
  });
});
