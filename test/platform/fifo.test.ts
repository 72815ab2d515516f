import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fifo } from '#platform/fifo.ts';

describe('Fifo', () => {
  it('is a queue, whatever is pushed, dropped and cut', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), count: fc.integer({ min: 0, max: 1_500 }) }),
      fc.record({ kind: fc.constant('drop' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant('cut' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
      fc.record({ kind: fc.constant('clear' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const fifo = new Fifo<number>();
        let model: number[] = [];
        let next = 0;
        for (const each of steps) {
          if (each.kind === 'push') {
            for (let i = 0; i < each.count; i++) {
              fifo.push(next);
              model.push(next++);
            }
          } else if (each.kind === 'drop') {
            const count = Math.floor(each.share * model.length);
            fifo.drop(count);
            model = model.slice(count);
          } else if (each.kind === 'cut') {
            const index = Math.floor(each.share * model.length);
            expect(fifo.cut(index)).toEqual(model.splice(index));
          } else {
            fifo.clear();
            model = [];
          }
          expect(fifo.length).toBe(model.length);
          expect(fifo.at(0)).toBe(model[0]);
          expect(fifo.at(model.length >> 1)).toBe(model[model.length >> 1]);
          expect(fifo.at(model.length - 1)).toBe(model.at(-1));
          expect(fifo.at(model.length)).toBeUndefined();
          const isEven = (item: number): boolean => item % 2 === 0;
          expect(fifo.findLast(isEven)).toBe(model.findLast(isEven));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps nothing that was taken, although something is always left', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const fifo = new Fifo<object>();
    const taken = takenFrom(fifo);
    // A reference made in this turn keeps its object until the turn is over.
    await new Promise((resolve) => setImmediate(resolve));
    collect();
    expect(fifo.length).toBe(1);
    expect(taken.deref()).toBeUndefined();
  });
});

function takenFrom(fifo: Fifo<object>): WeakRef<object> {
  const first = {};
  fifo.push(first);
  fifo.push({});
  fifo.drop(1);
  return new WeakRef(first);
}
