import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { LinkState } from '#slave/link-state.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const lsn = (value: number): Lsn => value as Lsn;

describe('LinkState', () => {
  it('does not know how stale it is before it was level once', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    await clock.advance(500);
    expect(link.stalenessMs).toBeUndefined();
    link.level(clock.monotonicMs());
    await clock.advance(300);
    expect(link.stalenessMs).toBe(300);
  });

  it('never goes back to an earlier level', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    await clock.advance(500);
    link.level(500);
    link.level(100);
    expect(link.stalenessMs).toBe(0);
  });

  it('is linked until the silence is too long', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    expect(link.isLinked).toBe(false);
    link.heard(lsn(10), clock.monotonicMs());
    expect(link.isLinked).toBe(true);
    expect(link.lagRecords(lsn(4))).toBe(6);
    expect(link.lagRecords(lsn(12))).toBe(0);
    await clock.advance(1_499);
    expect(link.isLinked).toBe(true);
    await clock.advance(1);
    expect(link.isLinked).toBe(false);
    link.heard(lsn(10), clock.monotonicMs());
    link.lost();
    expect(link.isLinked).toBe(false);
  });

  it('dates a word that was long on its way by the clock of the master', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    const master = 5_000_000;
    expect(link.saidAtMs(master)).toBe(0);
    await clock.advance(250);
    expect(link.saidAtMs(master + 250)).toBe(250);
    await clock.advance(10_000);
    // Said 9 seconds ago: about 5 % of the silence is granted to slewing.
    const saidAt = link.saidAtMs(master + 1_250);
    expect(saidAt).toBeGreaterThanOrEqual(1_250);
    expect(saidAt).toBeLessThanOrEqual(1_250 + 600);
  });

  it('follows a master whose clock is slewed, without taking it for delay', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    let master = 5_000_000;
    link.saidAtMs(master);
    for (let i = 0; i < 4_000; i++) {
      await clock.advance(250);
      master += 250 * 0.95;
      expect(clock.monotonicMs() - link.saidAtMs(master)).toBeLessThan(1);
    }
    for (let i = 0; i < 100; i++) {
      await clock.advance(250);
      master += 250 * 1.05;
      expect(clock.monotonicMs() - link.saidAtMs(master)).toBeLessThan(1);
    }
  });

  it('begins anew with another master', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    link.saidAtMs(5_000_000);
    await clock.advance(1_000);
    link.registered(lsn(3), true);
    expect(link.saidAtMs(1_000)).toBe(1_000);
  });

  it('does not take an old word for a link, nor for a step back of the master', async () => {
    const clock = new VirtualClock();
    const link = new LinkState(clock, 1_500);
    link.registered(lsn(10), true);
    await clock.advance(5_000);
    const before = link.heardCount;
    link.heard(lsn(4), 1_000);
    expect([link.isLinked, link.heardCount, link.lagRecords(lsn(2))]).toEqual([false, before, 8]);
    link.heard(lsn(11), 4_900);
    expect([link.isLinked, link.heardCount, link.lagRecords(lsn(2))]).toEqual([true, before + 1, 9]);
    // A master that lost its newest records says so when registered with.
    link.registered(lsn(7), false);
    expect(link.lagRecords(lsn(2))).toBe(5);
  });
});
