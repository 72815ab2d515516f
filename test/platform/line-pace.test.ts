import { describe, expect, it } from 'vitest';
import { LinePace, LinePaces } from '#platform/line-pace.ts';
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

describe('LinePaces', () => {
  it('gives each kind of line its own pace', () => {
    const paces = new LinePaces(new VirtualClock());
    const take = (kind: string) => Array.from({ length: 6 }, () => paces.take(kind) !== undefined);
    expect(take('one')).toEqual([true, true, true, true, true, false]);
    expect(take('other')).toEqual([true, true, true, true, true, false]);
    expect(paces.take('one')).toBeUndefined();
  });

  it('remembers a bounded number of kinds', () => {
    const paces = new LinePaces(new VirtualClock());
    for (let i = 0; i < 5; i++) paces.take('first');
    for (let i = 0; i < 255; i++) paces.take(`kind ${i}`);
    expect(paces.take('first')).toBeUndefined();
    paces.take('one more');
    expect(paces.take('first')).toEqual({});
  });
});
