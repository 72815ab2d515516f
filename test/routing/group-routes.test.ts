/** Whom to ask of a group. */
import { describe, expect, it } from 'vitest';
import { GroupRoutes, type KnownNode, orderOf, type Target } from '#routing/group-routes.ts';

const node = (address: string, changes: Partial<KnownNode> = {}): KnownNode => ({
  address,
  latencyMs: undefined,
  restUntilMs: 0,
  chosenAt: 0,
  ...changes,
});
const later = { outcome: 'unknown', remedy: 'later' } as const;
const elsewhere = { outcome: 'not_done', remedy: 'elsewhere' } as const;
const NONE: ReadonlySet<string> = new Set();

describe('the order of nodes', () => {
  const [a, b, c] = [node('a'), node('b', { chosenAt: 5 }), node('c', { chosenAt: 2 })];
  it.each<[string, Target | 'any', string | undefined, KnownNode[], string]>([
    ['the master is asked first', 'master', 'b', [a, b, c], 'b a c'],
    [
      'a master that is not known is looked for, the least asked first',
      'master',
      undefined,
      [a, b, c],
      'a c b',
    ],
    ['replicas are asked before the master, in turn', 'replica', 'a', [a, b, c], 'c b a'],
    [
      'the fastest is asked first',
      'nearest',
      'a',
      [node('x', { latencyMs: 3 }), node('y', { latencyMs: 1 })],
      'y x',
    ],
    ['one that never answered is tried', 'nearest', 'a', [node('x', { latencyMs: 3 }), node('y')], 'y x'],
    ['one that failed is asked last', 'replica', 'a', [node('m', { restUntilMs: 101 }), a], 'a m'],
    ['and first again after its rest', 'replica', 'a', [node('m', { restUntilMs: 100 }), a], 'm a'],
    [
      'but not the master, where only that will do',
      'master',
      'm',
      [node('m', { restUntilMs: 101 }), a],
      'm a',
    ],
  ])('%s', (_, target, master, nodes, order) => {
    expect(
      orderOf(nodes, target, master, 100)
        .map(({ address }) => address)
        .join(' '),
    ).toBe(order);
  });
});

describe('what is known of a group', () => {
  const routes = (mayFollow = true) => new GroupRoutes({ addresses: ['a', 'b'], mayFollow: () => mayFollow });

  it('gives reads to one replica after the other', () => {
    const group = routes();
    group.learn('c');
    group.setMaster('a');
    const chosen = Array.from({ length: 4 }, () => group.choose('replica', 0, NONE));
    expect(chosen).toEqual(['b', 'c', 'b', 'c']);
    expect(group.choose('replica', 0, new Set(['b', 'c']))).toBe('a');
    expect(group.choose('replica', 0, new Set(['a', 'b', 'c']))).toBeUndefined();
  });

  it('rests a node that failed, longer each time, until it answers', () => {
    const group = routes();
    group.onFailure('a', later, 0);
    expect(group.choose('nearest', 100, NONE)).toBe('b');
    for (let i = 0; i < 20; i++) group.onFailure('a', later, 1_000);
    group.onFailure('b', later, 5_900);
    expect(group.choose('nearest', 5_999, NONE)).not.toBe('b');
    group.onAnswer('b', 1);
    expect(group.choose('nearest', 5_999, NONE)).toBe('b');
  });

  it('leaves a node alone that keeps being behind, although it answers', () => {
    const group = routes();
    group.setMaster('c');
    const restOf = (nowMs: number): number => {
      group.onBehind('a', nowMs);
      group.onAnswer('a', 1);
      let restMs = 0;
      while (group.choose('replica', nowMs + restMs, NONE) !== 'a') restMs += 100;
      return restMs;
    };
    expect([restOf(0), restOf(1_000), restOf(2_000)]).toEqual([200, 400, 800]);
    for (let i = 0; i < 20; i++) group.onBehind('a', 3_000);
    expect(restOf(3_000)).toBeLessThanOrEqual(30_100);
    expect(restOf(200_000)).toBe(200);
  });

  it('asks the slower node now and then, and finds that it became fast', () => {
    const group = routes();
    group.onAnswer('a', 1);
    group.onAnswer('b', 50);
    const chosen = Array.from({ length: 200 }, () => group.choose('nearest', 0, NONE));
    expect(chosen.filter((address) => address === 'b').length).toBeGreaterThan(1);
    expect(chosen.filter((address) => address === 'b').length).toBeLessThan(10);
    for (let i = 0; i < 30; i++) group.onAnswer('b', 0.1);
    expect(group.choose('nearest', 0, NONE)).toBe('b');
  });

  it('knows no master any more that refers elsewhere, or fails', () => {
    for (const failure of [later, elsewhere]) {
      const group = routes();
      group.setMaster('a');
      group.onFailure('b', failure, 0);
      expect(group.master).toBe('a');
      group.onFailure('a', { outcome: 'not_done', remedy: 'none' }, 0);
      expect(group.master).toBe('a');
      group.onFailure('a', failure, 0);
      expect(group.master).toBeUndefined();
    }
  });

  it('learns a bounded number of nodes, and forgets those that fail', () => {
    const group = routes();
    for (let i = 0; i < 1_000; i++) group.learn(`n${i}`);
    expect(group.addresses.length).toBe(64);
    expect(group.learn('more')).toBe(false);
    for (const address of group.addresses) group.onFailure(address, later, 0);
    expect(group.addresses).toEqual(['a', 'b']);
    expect([routes(false).learn('c'), routes(false).learn('b')]).toEqual([false, true]);
  });
});
