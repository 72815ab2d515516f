import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogClock } from '#engine/log-clock.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const WALL_MS = 1_800_000_000_000;

function start(lastTimestampMs = 0): { clock: VirtualClock; log: LogClock } {
  const clock = new VirtualClock({ wallMs: WALL_MS });
  return { clock, log: new LogClock(clock, lastTimestampMs) };
}

describe('the log clock of a master', () => {
  it('starts at the later of wall time and the last timestamp', () => {
    expect(start(WALL_MS - 5).log.nowMs()).toBe(WALL_MS);
    expect(start(WALL_MS + 5_000).log.nowMs()).toBe(WALL_MS + 5_000);
  });

  it('gains at most 5 % on real time when wall time jumps ahead, and arrives', async () => {
    const { clock, log } = start();
    clock.setWall(WALL_MS + 60_000);
    let before = log.nowMs();
    for (let i = 0; i < 60; i++) {
      await clock.advance(1_000);
      const now = log.nowMs();
      expect(now - before).toBeLessThanOrEqual(1_051);
      expect(now - before).toBeGreaterThanOrEqual(1_000);
      before = now;
    }
    for (let i = 0; i < 2_000; i++) {
      await clock.advance(1_000);
      log.nowMs();
    }
    expect(Math.abs(log.nowMs() - clock.wallMs())).toBeLessThan(100);
  });

  it('loses at most 5 % when wall time jumps back, and never goes back', async () => {
    const { clock, log } = start();
    clock.setWall(WALL_MS - 60_000);
    let before = log.nowMs();
    expect(before).toBe(WALL_MS);
    for (let i = 0; i < 60; i++) {
      await clock.advance(1_000);
      const now = log.nowMs();
      expect(now - before).toBeGreaterThanOrEqual(949);
      before = now;
    }
  });

  it('does not run past wall time when nobody asked it for hours', async () => {
    const { clock, log } = start();
    clock.setWall(WALL_MS + 10_000);
    await clock.advance(1_000);
    log.nowMs();
    await clock.advance(10 * 3_600_000);
    expect(log.nowMs()).toBeLessThanOrEqual(clock.wallMs());
    expect(log.nowMs()).toBeGreaterThan(clock.wallMs() - 10_000);
  });

  it('moves forward to what it observes, not back', () => {
    const { log } = start();
    log.observe(WALL_MS + 777);
    expect(log.nowMs()).toBe(WALL_MS + 777);
    log.observe(WALL_MS - 777);
    expect(log.nowMs()).toBe(WALL_MS + 777);
  });
});

describe('the log clock of a replica', () => {
  it('takes the time of its master at first contact, also back, but not behind its own log', () => {
    const { log } = start(WALL_MS - 30_000);
    log.follow(WALL_MS - 10_000);
    expect(log.nowMs()).toBe(WALL_MS - 10_000);
    const other = start(WALL_MS - 30_000).log;
    other.follow(WALL_MS - 60_000);
    expect(other.nowMs()).toBe(WALL_MS - 30_000);
  });

  it('follows forward at once, and back only by slewing', async () => {
    const { clock, log } = start();
    log.follow(WALL_MS);
    log.follow(WALL_MS + 5_000);
    expect(log.nowMs()).toBe(WALL_MS + 5_000);
    log.follow(WALL_MS);
    expect(log.nowMs()).toBe(WALL_MS + 5_000);
    await clock.advance(1_000);
    expect(log.nowMs()).toBe(WALL_MS + 5_950);
  });

  it('does not lose time for hours because its master was a moment behind', async () => {
    const { clock, log } = start();
    log.follow(WALL_MS);
    log.follow(WALL_MS - 20);
    await clock.advance(10 * 3_600_000);
    expect(log.nowMs()).toBeGreaterThanOrEqual(WALL_MS - 20 + 10 * 3_600_000);
  });

  it('follows no wall time, until it leads', async () => {
    const { clock, log } = start();
    log.follow(WALL_MS + 1_000_000);
    for (let i = 0; i < 100; i++) {
      await clock.advance(1_000);
      log.nowMs();
    }
    expect(log.nowMs()).toBe(WALL_MS + 1_000_000 + 100_000);
    log.lead();
    for (let i = 0; i < 100; i++) {
      await clock.advance(1_000);
      log.nowMs();
    }
    expect(log.nowMs()).toBeLessThan(WALL_MS + 1_000_000 + 197_000);
  });
});

it('the log clock never goes back after first contact and keeps within the slew, whatever happens', async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 5_000 }) }),
    fc.record({ kind: fc.constant('wall' as const), ms: fc.integer({ min: -100_000, max: 100_000 }) }),
    fc.record({ kind: fc.constant('rate' as const), ms: fc.integer({ min: 500, max: 1_500 }) }),
    fc.record({ kind: fc.constant('observe' as const), ms: fc.integer({ min: -10_000, max: 10_000 }) }),
    fc.record({ kind: fc.constant('follow' as const), ms: fc.integer({ min: -10_000, max: 10_000 }) }),
    fc.record({ kind: fc.constant('lead' as const), ms: fc.constant(0) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 30 }), async (isReplica, steps) => {
      const { clock, log } = start();
      if (isReplica) log.follow(WALL_MS);
      for (const { kind, ms } of steps) {
        const before = log.nowMs();
        if (kind === 'pass') await clock.advance(ms);
        if (kind === 'wall') clock.setWall(clock.wallMs() + ms);
        if (kind === 'rate') clock.setWallRate(ms / 1_000);
        if (kind === 'observe') log.observe(before + ms);
        if (kind === 'follow' && isReplica) log.follow(before + ms);
        if (kind === 'lead') log.lead();
        // A replica that led for a while has known its time well: following again is no first contact.
        const passed = log.nowMs() - before;
        expect(passed).toBeGreaterThanOrEqual(kind === 'pass' ? Math.floor(ms * 0.95) - 1 : 0);
        if (kind === 'pass') expect(passed).toBeLessThanOrEqual(Math.ceil(ms * 1.05) + 1);
      }
    }),
    { numRuns: 200 },
  );
});
