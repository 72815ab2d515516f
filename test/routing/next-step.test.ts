/** What follows an attempt that failed. */
import { describe, expect, it } from 'vitest';
import { type NextStep, nextStep, type Situation } from '#routing/next-step.ts';

const BASE: Situation = {
  failure: { outcome: 'not_done', remedy: 'later' },
  outcome: 'not_done',
  isRepeatable: false,
  hint: undefined,
  hintsFollowed: 0,
  hasOthers: true,
  hasUntried: true,
  rounds: 0,
  leftMs: 10_000,
  jitter: 1,
};
const later = { outcome: 'unknown', remedy: 'later' } as const;
const elsewhere = { outcome: 'not_done', remedy: 'elsewhere' } as const;
const GIVE_UP: NextStep = { kind: 'give_up' };
const on = (pauseMs: number): NextStep => ({ kind: 'go_on', pauseMs });
const ask: NextStep = { kind: 'ask', address: 'm:1' };

describe('after an attempt', () => {
  it.each<[string, Partial<Situation>, NextStep]>([
    ['that did nothing, the next node is asked', {}, on(0)],
    ['that cannot be mended, nothing is', { failure: { outcome: 'not_done', remedy: 'none' } }, GIVE_UP],
    [
      'that may have done something, a write without a name ends',
      { failure: later, outcome: 'unknown' },
      GIVE_UP,
    ],
    [
      'that may have done something, what is repeatable goes on',
      { failure: later, outcome: 'unknown', isRepeatable: true },
      on(0),
    ],
    ['an earlier one counts, too', { outcome: 'unknown' }, GIVE_UP],
    ['with a hint, the master is asked at once', { failure: elsewhere, hint: 'm:1' }, ask],
    [
      'with the third hint in a row, others are',
      { failure: elsewhere, hint: 'm:1', hintsFollowed: 2 },
      on(0),
    ],
    [
      'elsewhere without elsewhere is the end',
      { failure: elsewhere, hasOthers: false, hasUntried: false },
      GIVE_UP,
    ],
    [
      'of nodes that only somebody’s hand mends, it is over',
      { isHopeless: true, hasUntried: false },
      GIVE_UP,
    ],
    ['of the last node, there is a pause', { hasUntried: false }, on(25)],
    ['of every further round it doubles', { hasUntried: false, rounds: 3 }, on(200)],
    ['it ends somewhere', { hasUntried: false, rounds: 40 }, on(1_000)],
    ['it is half as long by chance', { hasUntried: false, rounds: 40, jitter: 0 }, on(500)],
    [
      'that asks for a pause gets it',
      { hasUntried: false, failure: { ...BASE.failure, pauseMs: 3_000 } },
      on(3_000),
    ],
    ['with less time than the pause, it is over', { hasUntried: false, rounds: 40, leftMs: 900 }, GIVE_UP],
    ['with no time left, it is over', { leftMs: 0 }, GIVE_UP],
  ])('%s', (_, changes, step) => {
    expect(nextStep({ ...BASE, ...changes })).toEqual(step);
  });
});
