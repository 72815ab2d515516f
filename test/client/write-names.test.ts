/** Names of writes: rising, and answered up to the first that is open. */
import { describe, expect, it } from 'vitest';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { type NamedFields, WriteNames } from '../../client/write-names.ts';

const unnamed = (): NamedFields => ({ requestId: '', clientId: 0n, sequence: 0n, answeredThrough: 0n });

describe('the names of writes', () => {
  it('rise, and say what needs no answer any more', () => {
    const names = new WriteNames(new SeededRandom(1));
    const [a, b, c, d] = [unnamed(), unnamed(), unnamed(), unnamed()];
    const first = names.begin([a, b], undefined);
    const second = names.begin([c], undefined);
    expect([a, b, c].map(({ sequence, answeredThrough }) => [sequence, answeredThrough])).toEqual([
      [1n, 0n],
      [2n, 0n],
      [3n, 0n],
    ]);
    second();
    names.begin([d], undefined);
    expect([d.sequence, d.answeredThrough]).toEqual([4n, 0n]);
    first();
    const e = unnamed();
    names.begin([e], undefined);
    expect([e.sequence, e.answeredThrough, e.clientId]).toEqual([5n, 3n, a.clientId]);
    expect(names.isOurs(e)).toBe(true);
  });

  it('are left to callers who give their own', () => {
    const names = new WriteNames(new SeededRandom(1));
    const own = { ...unnamed(), requestId: 'mine' };
    names.begin([own], undefined);
    names.takeBack(own);
    expect(own).toEqual({ ...unnamed(), requestId: 'mine' });
    expect(names.isOurs({ ...own, clientId: 7n })).toBe(false);
  });

  it('are of another client id while a write is open for long, since a node keeps 1,024 of one', () => {
    const names = new WriteNames(new SeededRandom(1));
    const open = unnamed();
    names.begin([open], undefined);
    const many = Array.from({ length: 1_000 }, unnamed);
    names.begin(many, undefined)();
    const next = Array.from({ length: 100 }, unnamed);
    names.begin(next, undefined);
    expect(new Set(many.map(({ clientId }) => clientId))).toEqual(new Set([open.clientId]));
    const ids = new Set(next.map(({ clientId }) => clientId));
    expect([ids.size, ids.has(open.clientId)]).toEqual([1, false]);
  });
});
