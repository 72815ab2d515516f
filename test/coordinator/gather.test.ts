import { describe, expect, it } from 'vitest';
import { Backoff } from '#coordinator/backoff.ts';
import { gather } from '#coordinator/gather.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

describe('gathering answers', () => {
  const clock = new VirtualClock();
  const answer = async (ms: number, value: number): Promise<number> => {
    await clock.sleep(ms);
    if (value < 0) throw new Error('no answer');
    return value;
  };

  it.each<[string, [number, number][], number, number[]]>([
    [
      'waits for all that come soon',
      [
        [10, 1],
        [150, 2],
        [180, 3],
      ],
      180,
      [1, 2, 3],
    ],
    [
      'waits 200 ms for the slower ones when there are enough',
      [
        [10, 1],
        [100, 2],
        [301, 3],
      ],
      300,
      [1, 2],
    ],
    [
      'waits a second where there are not enough',
      [
        [10, 1],
        [5_000, 2],
      ],
      1_000,
      [1],
    ],
    [
      'leaves out what failed',
      [
        [10, 1],
        [20, -1],
      ],
      20,
      [1],
    ],
    ['is over at once where nobody is asked', [], 0, []],
  ])('%s', async (_, calls, afterMs, expected) => {
    let got: number[] | undefined;
    const asked = calls.map(([ms, value]) => answer(ms, value));
    const gathered = gather(clock, asked, (answers) => answers.length >= 2).then((answers) => {
      got = answers;
    });
    if (afterMs > 0) {
      await clock.advance(afterMs - 1);
      expect(got).toBeUndefined();
    }
    await clock.advance(1);
    expect(got).toEqual(expected);
    await clock.advance(5_000);
    await gathered;
  });
});

it('a back-off doubles up to its longest delay, and begins anew', () => {
  const backoff = new Backoff(500, 1_500);
  const delays = [0, 0, 0, 0].map(() => {
    backoff.failed(0);
    return [500, 1_000, 1_500].find((ms) => backoff.isOver(ms));
  });
  expect(delays).toEqual([500, 1_000, 1_500, 1_500]);
  backoff.reset();
  expect(backoff.isOver(0)).toBe(true);
  backoff.failed(0);
  expect([backoff.isOver(499), backoff.isOver(500)]).toEqual([false, true]);
});
