import { describe, expect, it } from 'vitest';
import { LsnWaiters } from '#engine/lsn-waiters.ts';
import { toLsn } from '#model/position.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('waiters for an LSN', () => {
  it('are woken by the LSN they wait for or a later one, not before', async () => {
    const waiters = new LsnWaiters(new VirtualClock());
    const woken: string[] = [];
    const three = waiters.wait(toLsn(3), 1_000).then((isReached) => woken.push(`3 ${isReached}`));
    const five = waiters.wait(toLsn(5), 1_000).then((isReached) => woken.push(`5 ${isReached}`));
    const again = waiters.wait(toLsn(3), 1_000).then((isReached) => woken.push(`3 ${isReached}`));
    waiters.advance(toLsn(2));
    expect(waiters.size).toBe(3);
    waiters.advance(toLsn(4));
    await Promise.all([three, again]);
    expect(woken).toEqual(['3 true', '3 true']);
    waiters.advance(toLsn(5));
    await five;
    expect(waiters.size).toBe(0);
    const lower = waiters.wait(toLsn(1), 1_000);
    waiters.advance(toLsn(1));
    expect(await lower).toBe(true);
  });

  it('give up after the timeout or an abort, and leave nothing behind', async () => {
    const clock = new VirtualClock();
    const waiters = new LsnWaiters(clock);
    const late = waiters.wait(toLsn(7), 100);
    const abort = new AbortController();
    const aborted = waiters.wait(toLsn(7), 1_000, abort.signal);
    await clock.advance(99);
    expect(waiters.size).toBe(2);
    await clock.advance(1);
    expect(await late).toBe(false);
    abort.abort();
    expect(await aborted).toBe(false);
    expect(await waiters.wait(toLsn(7), 1_000, abort.signal)).toBe(false);
    expect(await waiters.wait(toLsn(7), 0)).toBe(false);
    expect(waiters.size).toBe(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('all end when they are released', async () => {
    const clock = new VirtualClock();
    const waiters = new LsnWaiters(clock);
    const waits = [1, 2, 3].map((lsn) => waiters.wait(toLsn(lsn), 1_000));
    waiters.release();
    expect(await Promise.all(waits)).toEqual([false, false, false]);
    // A caller that looks again in a loop is not answered at once, which would never let the loop go.
    const later = waiters.wait(toLsn(4), 1_000);
    await clock.advance(999);
    expect(waiters.size).toBe(1);
    await clock.advance(1);
    expect(await later).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });
});
