/** Work that is ended while its caller still gets an answer. */
import { describe, expect, it } from 'vitest';
import { earlySignal, isDeadlineNear, marginOf } from '#platform/early-signal.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('an early signal', () => {
  it.each([
    [4, 2],
    [20, 10],
    [100, 10],
    [400, 20],
    [1_000, 50],
    [60_000, 50],
  ])('of %i ms leaves %i ms for the answer', async (leftMs, marginMs) => {
    expect(marginOf(leftMs)).toBe(marginMs);
    const clock = new VirtualClock();
    const signal = earlySignal(new AbortController().signal, leftMs, clock);
    await clock.advance(leftMs - marginMs - 1);
    expect([signal.aborted, isDeadlineNear(signal)]).toEqual([false, false]);
    await clock.advance(1);
    expect([signal.aborted, isDeadlineNear(signal)]).toEqual([true, true]);
  });

  it('ends with the call, for the reason of that', async () => {
    const clock = new VirtualClock();
    const call = new AbortController();
    const signal = earlySignal(call.signal, 1_000, clock);
    call.abort(new Error('gone'));
    expect(signal.reason).toEqual(new Error('gone'));
    expect(isDeadlineNear(signal)).toBe(false);
    await clock.advance(2_000);
    expect(isDeadlineNear(signal)).toBe(false);
  });

  it('is that of the call where there is no deadline', () => {
    const { signal } = new AbortController();
    expect(earlySignal(signal, undefined, new VirtualClock())).toBe(signal);
    expect(isDeadlineNear(undefined)).toBe(false);
  });
});
