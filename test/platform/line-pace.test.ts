import { describe, expect, it } from 'vitest';
import { LinePace } from '#platform/line-pace.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('LinePace', () => {
  it('lets five lines in ten seconds through, and says how many it left out', async () => {
    const clock = new VirtualClock();
    const pace = new LinePace(clock);
    const take = (count: number) => Array.from({ length: count }, () => pace.take());
    expect(take(8)).toEqual([{}, {}, {}, {}, {}, undefined, undefined, undefined]);
    await clock.advance(9_999);
    expect(take(1)).toEqual([undefined]);
    await clock.advance(1);
    expect(take(6)).toEqual([{ leftOut: 4 }, {}, {}, {}, {}, undefined]);
    await clock.advance(10_000);
    expect(take(1)).toEqual([{ leftOut: 1 }]);
  });
});
