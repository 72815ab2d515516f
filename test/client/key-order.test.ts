/** The order of calls of one key, some of which keep it. */
import { describe, expect, it } from 'vitest';
import { KeyOrder, type Turn } from '../../client/key-order.ts';

function ordered(waitingMax = 10) {
  const order = new KeyOrder(waitingMax);
  const begun: string[] = [];
  const call = (name: string, keys: string[], holds = false): Turn => {
    const turn = { keys, keepsKeys: holds, begin: () => void begun.push(name) };
    order.enter(turn);
    return turn;
  };
  return { order, begun, call };
}

describe('calls of one key', () => {
  it('begin in their order after one that keeps it, and those of others at once', () => {
    const { order, begun, call } = ordered();
    const first = call('a1', ['a'], true);
    call('a2', ['a']);
    const second = call('a3', ['a'], true);
    call('a4', ['a']);
    call('b1', ['b']);
    expect(begun).toEqual(['a1', 'b1']);
    order.leave(first);
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3']);
    order.leave(second);
    expect(begun).toEqual(['a1', 'b1', 'a2', 'a3', 'a4']);
  });

  it('are not overtaken by later ones while they wait for another key', () => {
    const { order, begun, call } = ordered();
    const [a, b] = [call('a1', ['a'], true), call('b1', ['b'], true)];
    call('ab', ['a', 'b']);
    call('a2', ['a']);
    order.leave(a);
    expect(begun).toEqual(['a1', 'b1']);
    order.leave(b);
    expect(begun).toEqual(['a1', 'b1', 'ab', 'a2']);
  });

  it('wait in bounded number, and very many go on without a deep stack', () => {
    const { order, begun, call } = ordered(50_000);
    const first = call('first', ['a'], true);
    for (let i = 0; i < 50_000; i++) call(String(i), ['a']);
    expect(() => call('more', ['a'])).toThrow('queuedOperationsMax');
    order.leave(first);
    expect(begun.length).toBe(50_001);
    order.leave(call('again', ['a'], true));
    call('free', ['a']);
    expect(begun.at(-1)).toBe('free');
  });
});
