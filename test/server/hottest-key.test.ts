/** How much of all uses the key gets that is used most. */
import { expect, it } from 'vitest';
import { HottestKey } from '#server/hottest-key.ts';

/** What is known after looks that saw these keys; undefined: nothing was used since the look before. */
function after(keys: readonly (string | undefined)[]) {
  const hottest = new HottestKey();
  let accesses = 0;
  let seen = hottest.look({ accesses, key: 'before' });
  for (const key of keys) {
    if (key !== undefined) accesses += 5;
    seen = hottest.look({ accesses, key: key ?? 'stale' });
  }
  return seen;
}

const times = (many: number, key: string | undefined) => Array.from({ length: many }, () => key);

it('is its part of the looks that saw a use, once there are enough', () => {
  expect(after(times(19, 'a'))).toBe(undefined);
  expect(after([...times(15, 'a'), ...times(30, undefined), ...times(5, 'b')])).toEqual({
    share: 0.75,
    looks: 20,
  });
  expect(after([...times(60, 'a'), ...times(60, 'b')])).toEqual({ share: 1, looks: 60 });
});

it('counts anew where nothing may be read, and where another store counts', () => {
  const hottest = new HottestKey();
  for (let each = 1; each <= 30; each++) hottest.look({ accesses: each, key: 'a' });
  hottest.look(undefined);
  hottest.look({ accesses: 100, key: 'b' });
  expect(hottest.look({ accesses: 3, key: 'b' })).toEqual({ share: 1, looks: 29 });
});
