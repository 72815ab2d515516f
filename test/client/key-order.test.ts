/** The order of calls of one key, some of which keep it. */
import { describe, expect, it } from 'vitest';
import { KeyOrder, type Turn } from '../../client/key-order.ts';

function ordered(waitingMax = 10) {
  const order = new KeyOrder(waitingMax);
  const begun: string[] = [];
  const failures: string[] = [];
  const enter = (keys: string[], keepsKeys: boolean, begin: () => void): Turn => {
    const turn = { keys, keepsKeys, begin, fail: ({ message }: Error) => void failures.push(message) };
    order.enter(turn);
    return turn;
  };
  const call = (name: string, keys: string[], keepsKeys = false): Turn =>
    enter(keys, keepsKeys, () => void begun.push(name));
  const refused = (why: string, keys: string[], keepsKeys = false): Turn =>
    enter(keys, keepsKeys, () => {
      throw new Error(why);
    });
  return { order, begun, failures, call, refused };
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
    const { order, begun, failures, call } = ordered(50_000);
    const first = call('first', ['a'], true);
    for (let i = 0; i < 50_000; i++) call(String(i), ['a']);
    call('more', ['a']);
    expect(failures.splice(0)).toEqual([expect.stringContaining('queuedOperationsMax')]);
    order.leave(first);
    expect(begun.length).toBe(50_001);
    order.leave(call('again', ['a'], true));
    call('free', ['a']);
    expect(begun.at(-1)).toBe('free');
  });

  it('that are refused at their turn keep nobody waiting', () => {
    const { order, begun, failures, call, refused } = ordered();
    refused('at once', ['a']);
    refused('at once, with its key', ['a'], true);
    const first = call('a1', ['a'], true);
    refused('later', ['a']);
    refused('later, with its key', ['a'], true);
    call('a2', ['a']);
    expect(begun).toEqual(['a1']);
    order.leave(first);
    expect(begun).toEqual(['a1', 'a2']);
    expect(failures).toEqual(['at once', 'at once, with its key', 'later', 'later, with its key']);
  });
});
