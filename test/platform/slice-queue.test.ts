/** How many slices of long work one turn of the event loop takes. */
import { describe, expect, it } from 'vitest';
import { SLICES_PER_TURN, SliceQueue, WORKS_MAX } from '#platform/slice-queue.ts';
import { runSlices, type Slices } from '#platform/slices.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('slices of many', () => {
  it('begin in order, so many a turn', async () => {
    const queue = new SliceQueue(new VirtualClock());
    const begun: number[] = [];
    for (let i = 0; i < 10; i++) void queue.pause().then(() => begun.push(i));
    const counts: number[] = [];
    for (let turn = 0; turn < 10 && begun.length < 10; turn++) {
      const before = begun.length;
      await nextTurn();
      counts.push(begun.length - before);
    }
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Math.max(...counts)).toBe(SLICES_PER_TURN);
  });

  it('are of few works at once: the others wait for one to end, done or given up', async () => {
    const queue = new SliceQueue(new VirtualClock());
    let [underWay, most, done] = [0, 0, 0];
    function* work(fails: boolean): Slices<number> {
      yield 1;
      most = Math.max(most, ++underWay);
      yield 1;
      underWay--;
      if (fails) throw new Error('given up');
      yield 1;
      return 0;
    }
    const works = Array.from({ length: 40 }, (_, i) => runSlices(work(i % 2 === 0), queue));
    for (const each of works) void Promise.resolve(each).then(ignore, ignore);
    function ignore(): void {
      done++;
    }
    for (let turn = 0; turn < 200 && done < 40; turn++) await nextTurn();
    expect([most <= WORKS_MAX, most > 1, done]).toEqual([true, true, 40]);
  });

  it('of work that goes on stand behind those of others', async () => {
    const queue = new SliceQueue(new VirtualClock());
    const order: string[] = [];
    const work = async (name: string): Promise<void> => {
      for (let i = 0; i < 3; i++) {
        await queue.pause();
        order.push(name);
      }
    };
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map(work));
    expect(order.join('')).toBe('abcdefabcdefabcdef');
  });
});
