/** The checker of histories, on histories with planted violations, and beside a search of all orders. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type Act, type Operation, type Value, violationsOf } from './linearizable.ts';

const RUNS = Number(process.env['WALNUT_HISTORY_RUNS'] ?? 400);

/** From, until (undefined: no answer), what it did, and the version. */
type Row = readonly [number, number | undefined, Act, number?];

const write = (value: string): Act => ({ kind: 'write', value });
const read = (value: Value): Act => ({ kind: 'read', value });
const swap = (from: Value, value: string): Act => ({ kind: 'swap', from, value });
const history = (...rows: readonly Row[]): Operation[] =>
  rows.map(([startMs, endMs, act, version]) => ({
    key: 'k',
    act,
    startMs,
    endMs,
    version: version === undefined ? undefined : BigInt(version),
  }));

describe('a history that has an order', () => {
  it.each<[string, readonly Row[]]>([
    [
      'one after the other',
      [
        [0, 1, write('a'), 1],
        [2, 3, read('a'), 1],
        [4, 5, write('b'), 2],
        [6, 7, read('b'), 2],
      ],
    ],
    [
      'a read beside a write that gives what was before',
      [
        [0, 1, write('a')],
        [2, 9, write('b')],
        [3, 4, read('a')],
      ],
    ],
    [
      'a read beside a write that gives the new value',
      [
        [0, 1, write('a')],
        [2, 9, write('b')],
        [3, 4, read('b')],
      ],
    ],
    [
      'a write without an answer that happened',
      [
        [0, undefined, write('a')],
        [5, 6, read('a'), 1],
      ],
    ],
    [
      'a write without an answer that never happened',
      [
        [0, undefined, write('a')],
        [5, 6, read(undefined)],
      ],
    ],
    [
      'a write without an answer that happened late',
      [
        [0, undefined, write('a')],
        [2, 3, write('b')],
        [5, 6, read('b')],
        [7, 8, read('a')],
      ],
    ],
    [
      'a swap by the version that was read',
      [
        [0, 1, write('a'), 1],
        [2, 3, read('a'), 1],
        [4, 5, swap('a', 'b'), 2],
        [6, 7, read('b'), 2],
      ],
    ],
    [
      'a swap of what a write without an answer left',
      [
        [0, undefined, write('a')],
        [1, undefined, swap('a', 'b')],
        [4, 5, read('b'), 7],
      ],
    ],
    [
      'an answer at the moment of the next call',
      [
        [0, 5, write('a')],
        [5, 9, read(undefined)],
      ],
    ],
  ])('%s', (_, rows) => {
    expect(violationsOf(history(...rows))).toEqual([]);
  });
});

describe('a planted violation', () => {
  it.each<[string, readonly Row[]]>([
    [
      'a stale read',
      [
        [0, 1, write('a')],
        [2, 3, write('b')],
        [4, 5, read('a')],
      ],
    ],
    [
      'a lost write',
      [
        [0, 1, write('a')],
        [2, 3, read(undefined)],
      ],
    ],
    [
      'a read that another read takes back',
      [
        [0, undefined, write('a')],
        [2, 3, read('a')],
        [4, 5, read(undefined)],
      ],
    ],
    [
      'a value that nobody wrote',
      [
        [0, 1, write('a')],
        [2, 3, read('x')],
      ],
    ],
    [
      'a write that was seen before its call',
      [
        [0, 1, read('a')],
        [2, 3, write('a')],
      ],
    ],
    [
      'two values of one version',
      [
        [0, 1, write('a'), 1],
        [0, 1, write('b'), 1],
      ],
    ],
    [
      'two versions of one value',
      [
        [0, 1, write('a'), 1],
        [2, 3, read('a'), 2],
      ],
    ],
    [
      'versions that fall',
      [
        [0, 1, write('a'), 2],
        [2, 3, write('b'), 1],
      ],
    ],
    [
      'a version seen late that contradicts the order of the writes',
      [
        [0, 1, write('a')],
        [2, 3, write('b'), 1],
        [4, 9, read('a'), 2],
        [4, 9, read('b'), 1],
      ],
    ],
    [
      'two swaps of one value',
      [
        [0, 1, write('a')],
        [2, 9, swap('a', 'b')],
        [2, 9, swap('a', 'c')],
      ],
    ],
    [
      'a swap of a value that was written over',
      [
        [0, 1, write('a')],
        [2, 3, write('b')],
        [4, 5, swap('a', 'c')],
      ],
    ],
  ])('%s', (_, rows) => {
    expect(violationsOf(history(...rows))).toHaveLength(1);
  });

  it('is named with the register, the operation, and what was possible', () => {
    const [why] = violationsOf(history([0, 1, write('a')], [2, 3, write('b')], [4, 5, read('a')]));
    expect(why).toBe('k: read a from 4 to 5 ms fits no order: the register had b');
  });

  it('of one register does not hide behind another one', () => {
    const stale = history([0, 1, write('a')], [2, 3, read(undefined)]);
    const right = stale.map((each) => ({
      ...each,
      key: 'other',
      act: each.act.kind === 'read' ? read('a') : each.act,
    }));
    expect(violationsOf([...right, ...stale])).toHaveLength(1);
  });
});

it('a history in which two writes have one value is refused', () => {
  expect(() => violationsOf(history([0, 1, write('a')], [2, 3, write('a')]))).toThrow(
    'two operations wrote a',
  );
});

/** Few operations with few values, most of them wrong in some way. */
function randomHistory(random: SeededRandom): Operation[] {
  const values: Value[] = [undefined, 'v0', 'v1', 'v2', 'v3', 'v4'];
  return Array.from({ length: 2 + random.below(4) }, (_, i) => {
    const startMs = random.below(12);
    const kind = random.pick(['read', 'write', 'swap'] as const);
    const act =
      kind === 'read'
        ? read(random.pick(values))
        : kind === 'write'
          ? write(`v${i}`)
          : swap(random.pick(values), `v${i}`);
    const endMs = random.chance(0.2) ? undefined : startMs + 1 + random.below(8);
    return { key: 'k', act, startMs, endMs, version: undefined };
  });
}

/** Tries every order of every choice of the operations without an answer. */
function hasOrder(left: readonly Operation[], value: Value = undefined): boolean {
  if (left.every(({ endMs }) => endMs === undefined)) return true;
  return left.some((operation) => {
    const { act, startMs } = operation;
    const rest = left.filter((other) => other !== operation);
    if (rest.some(({ endMs }) => endMs !== undefined && endMs < startMs)) return false;
    if (act.kind === 'read' && act.value !== value) return false;
    if (act.kind === 'swap' && act.from !== value) return false;
    return hasOrder(rest, act.value);
  });
}

it(`the verdict is that of a search of all orders (${RUNS} random histories)`, () => {
  const random = new SeededRandom(1);
  const verdicts = { right: 0, wrong: 0 };
  for (let run = 0; run < RUNS; run++) {
    const operations = randomHistory(random);
    const isRight = hasOrder(operations);
    verdicts[isRight ? 'right' : 'wrong'] += 1;
    expect(violationsOf(operations).length === 0, JSON.stringify(operations)).toBe(isRight);
  }
  expect(Math.min(verdicts.right, verdicts.wrong)).toBeGreaterThan(RUNS / 10);
});
