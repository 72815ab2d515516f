import { describe, expect, it } from 'vitest';
import { createMachineClocks } from '#platform/machine-clocks.ts';

describe('the clocks of the machine', () => {
  it('read the time since its start again when another clock moved by a step of it, and go on in between', () => {
    const now = { monotonicMs: 1_000, wallMs: 50_000, uptimeMs: 900 };
    let reads = 0;
    const clock = { monotonicMs: () => now.monotonicMs, wallMs: () => now.wallMs };
    const read = createMachineClocks(clock, () => {
      reads += 1;
      return now.uptimeMs;
    });
    expect(read()).toEqual({ monotonicMs: 1_000, wallMs: 50_000, uptimeMs: 900 });
    now.monotonicMs += 9;
    now.wallMs += 9;
    expect(read()).toEqual({ monotonicMs: 1_009, wallMs: 50_009, uptimeMs: 909 });
    expect(reads).toBe(1);
    // The machine was suspended for a second, which monotonic time does not count.
    now.wallMs += 1_000;
    now.uptimeMs = 1_909;
    expect(read()).toEqual({ monotonicMs: 1_009, wallMs: 51_009, uptimeMs: 1_909 });
    now.monotonicMs += 10;
    now.uptimeMs = 1_920;
    expect(read().uptimeMs).toBe(1_920);
    expect(reads).toBe(3);
  });

  it('are read on this machine', () => {
    const { uptimeMs } = createMachineClocks({ monotonicMs: () => 0, wallMs: () => 0 })();
    expect(uptimeMs).toBeGreaterThan(0);
  });
});
