/** The line of those to wake: a set in order, whatever is added, removed and taken. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WakeLine } from '#watch/wake-line.ts';

interface One {
  isInLine: boolean;
  readonly name: number;
}

const someOf = (count: number): One[] =>
  Array.from({ length: count }, (_, name) => ({ isInLine: false, name }));

describe('the line of those to wake', () => {
  it('is a set in the order in which each came', () => {
    const step = fc.tuple(fc.constantFrom('add', 'add', 'remove', 'next'), fc.nat(199));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const [line, all, model] = [new WakeLine<One>(), someOf(200), new Set<One>()];
        for (const [what, index] of steps) {
          const one = all[index] as One;
          if (what === 'add') {
            line.add(one);
            model.add(one);
          } else if (what === 'remove') {
            line.remove(one);
            model.delete(one);
          } else {
            const [first] = model;
            expect(line.next()).toBe(first);
            if (first !== undefined) model.delete(first);
          }
          expect(line.size).toBe(model.size);
        }
        for (const one of model) expect(line.next()).toBe(one);
        expect(line.next()).toBeUndefined();
      }),
      { numRuns: 50 },
    );
  });

  it('keeps few of those that have left, although nobody is woken', () => {
    const line = new WakeLine<One>();
    const kept = someOf(1_000).map((one) => {
      line.add(one);
      line.remove(one);
      return line.kept;
    });
    expect(Math.max(...kept)).toBeLessThanOrEqual(65);
    expect(line.size).toBe(0);
  });
});
