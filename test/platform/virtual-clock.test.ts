import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('VirtualClock', () => {
  it('fires due timers in order of deadline, then of setting', async () => {
    const clock = new VirtualClock();
    const fired: string[] = [];
    clock.after(20, () => fired.push('20'));
    clock.after(10, () => fired.push('10 first'));
    clock.after(10, () => fired.push('10 second'));
    clock.after(31, () => fired.push('too late'));
    await clock.advance(30);
    expect(fired).toEqual(['10 first', '10 second', '20']);
    expect(clock.monotonicMs()).toBe(30);
    expect(clock.pendingTimers).toBe(1);
  });

  it('lets what one timer starts run before the next fires, nested timers included', async () => {
    const clock = new VirtualClock();
    const seen: string[] = [];
    const loop = async (): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await clock.sleep(10);
        await clock.yield();
        await Promise.resolve();
        seen.push(`loop at ${clock.monotonicMs()}`);
      }
    };
    const done = loop();
    clock.after(20, () => seen.push('timer at 20'));
    await clock.advance(100);
    await done;
    expect(seen).toEqual(['loop at 10', 'timer at 20', 'loop at 20', 'loop at 30']);
  });

  it('ends a sleep on abort without time passing, and leaves no timer', async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const sleep = clock.sleep(1_000, controller.signal);
    controller.abort();
    await sleep;
    await clock.sleep(1_000, controller.signal);
    expect(clock.pendingTimers).toBe(0);
    expect(clock.monotonicMs()).toBe(0);
  });

  it('cancels', async () => {
    const clock = new VirtualClock();
    let hasFired = false;
    const timer = clock.after(5, () => {
      hasFired = true;
    });
    timer.cancel();
    timer.cancel();
    await clock.advance(10);
    expect(hasFired).toBe(false);
  });

  it('moves wall time apart from monotonic time', async () => {
    const clock = new VirtualClock({ wallMs: 1_000 });
    const fast = clock.skewed({ offsetMs: 500, rate: 2 });
    await clock.advance(100);
    expect([clock.wallMs(), fast.wallMs()]).toEqual([1_100, 1_700]);
    clock.setWall(50);
    clock.setWallRate(0.5);
    await clock.advance(100);
    expect(clock.wallMs()).toBe(100);
    expect([clock.monotonicMs(), fast.monotonicMs()]).toEqual([200, 200]);
  });

  it('advances until a condition is true, or says that it never did', async () => {
    const clock = new VirtualClock();
    let count = 0;
    const tick = (): void => {
      count += 1;
      if (count < 5) clock.after(10, tick);
    };
    clock.after(10, tick);
    await clock.advanceUntil(() => count === 3, 1_000);
    expect(clock.monotonicMs()).toBe(30);
    await expect(clock.advanceUntil(() => count === 9, 1_000)).rejects.toThrow('no timer is left');
  });
});

describe('SeededRandom', () => {
  it('repeats itself for the same seed only', () => {
    const draw = (seed: number): string => {
      const random = new SeededRandom(seed);
      return [random.uint32(), random.id128(), random.below(10), random.fork().uint32()].join();
    };
    expect(draw(7)).toBe(draw(7));
    expect(draw(7)).not.toBe(draw(8));
  });

  it('stays in range and reaches both ends', () => {
    const random = new SeededRandom(1);
    const seen = new Set<number>();
    for (let i = 0; i < 1_000; i++) seen.add(random.between(3, 6));
    expect([...seen].sort()).toEqual([3, 4, 5, 6]);
    expect(random.id128()).toMatch(/^[0-9a-f]{32}$/);
    expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });
});
