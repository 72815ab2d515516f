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
    names.end(second);
    names.begin([d], undefined);
    expect([d.sequence, d.answeredThrough]).toEqual([4n, 0n]);
    names.end(first);
    const e = unnamed();
    names.begin([e], undefined);
    expect([e.sequence, e.answeredThrough, e.clientId]).toEqual([5n, 3n, names.clientId]);
  });

  it('are left to callers who give their own', () => {
    const names = new WriteNames(new SeededRandom(1));
    const own = { ...unnamed(), requestId: 'mine' };
    expect(names.begin([own], undefined)).toEqual([]);
    expect(own).toEqual({ ...unnamed(), requestId: 'mine' });
  });
});
