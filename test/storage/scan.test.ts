import { describe, expect, it } from 'vitest';
import type { Store } from '#storage/store.ts';
import { createStore } from '#storage/store.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { at, newStore, remove, set, UNLIMITED } from '#test/storage/helpers.ts';

function scanAll(store: Store, prefix: string, limit: number, between: () => void = () => {}): string[] {
  const keys: string[] = [];
  let cursor = '';
  do {
    const page = store.scan({ prefix, cursor, limit, keysOnly: true }, 1);
    expect(page.entries.length).toBeLessThanOrEqual(limit);
    keys.push(...page.entries.map((entry) => entry.key));
    cursor = page.nextCursor;
    between();
  } while (cursor !== '');
  return keys;
}

describe('scan', () => {
  it('returns everything with the prefix exactly once, values when asked for', () => {
    const store = newStore();
    for (let i = 0; i < 500; i++) store.apply(set(`${i % 2 ? 'odd' : 'even'}:${i}`, `v${i}`), at(i + 1));
    const odd = scanAll(store, 'odd:', 7);
    expect(odd.length).toBe(250);
    expect(new Set(odd).size).toBe(250);
    const page = store.scan({ prefix: 'even:4', cursor: '', limit: 1, keysOnly: false }, 1);
    expect(Buffer.from(page.entries[0]?.value ?? []).toString()).toBe('v4');
  });

  it('returns what is present throughout exactly once while everything else changes', () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const store = newStore();
      const steady = Array.from({ length: 300 }, (_, i) => `steady:${i}`);
      for (const key of steady) {
        store.apply(set(key), at(1));
        if (random.below(2) === 0) store.apply(set(`fleeting:${random.below(300)}`), at(1));
      }
      let fresh = 0;
      const keys = scanAll(store, '', 5, () => {
        for (let i = 0; i < 4; i++) {
          store.apply(remove(`fleeting:${random.below(300)}`), at(2));
          if (fresh < 400) store.apply(set(`new:${fresh++}`), at(2));
          store.apply(set(`steady:${random.below(300)}`, 'overwritten'), at(2));
        }
      });
      const seen = keys.filter((key) => key.startsWith('steady:'));
      expect(seen.sort(), `seed ${seed}`).toEqual([...steady].sort());
    }
  });

  it('leaves expired entries out, neither touches nor counts', () => {
    const store = newStore();
    store.apply(set('a', 'v', 100), at(1));
    store.apply(set('b', 'v'), at(2));
    const page = store.scan({ prefix: '', cursor: '', limit: 0, keysOnly: false }, 100);
    expect(page.entries.map((entry) => entry.key)).toEqual(['b']);
    expect(store.stats().hits + store.stats().misses).toBe(0);
    expect(store.takeVictim()?.key).toBe('a');
  });

  it('does a bounded piece of work per call, even where nothing matches', () => {
    const store = newStore();
    for (let i = 0; i < 5_000; i++) store.apply(set(`k${i}`), at(i + 1));
    store.apply(set('wanted'), at(5_001));
    const page = store.scan({ prefix: 'wanted', cursor: '', limit: 1, keysOnly: true }, 1);
    expect(page.entries).toEqual([]);
    expect(page.nextCursor).not.toBe('');
    expect(scanAll(store, 'wanted', 1)).toEqual(['wanted']);
  });

  it('ends an answer early when its values are big', () => {
    const store = newStore();
    for (let i = 0; i < 12; i++) store.apply(set(`k${i}`, new Uint8Array(1_000_000)), at(i + 1));
    const page = store.scan({ prefix: '', cursor: '', limit: 100, keysOnly: false }, 1);
    expect(page.entries.length).toBe(5);
    const keys = store.scan({ prefix: '', cursor: '', limit: 100, keysOnly: true }, 1);
    expect(keys.entries.length).toBe(12);
    // How long a value is, it says without the value, also where that has a buffer of its own.
    for (const { key, value, valueBytes } of keys.entries)
      expect([value.length, valueBytes]).toEqual([0, store.peek(key)?.value.length]);
  });

  it('refuses cursors of another incarnation, malformed ones and bad limits', () => {
    const store = createStore({ limits: UNLIMITED, incarnation: 'aa' });
    const other = createStore({ limits: UNLIMITED, incarnation: 'bb' });
    for (let i = 0; i < 10; i++) {
      store.apply(set(`k${i}`), at(1));
      other.apply(set(`k${i}`), at(1));
    }
    const { nextCursor } = store.scan({ prefix: '', cursor: '', limit: 1, keysOnly: true }, 1);
    const scan = (from: Store, cursor: string, limit = 1) =>
      from.scan({ prefix: '', cursor, limit, keysOnly: true }, 1);
    expect(scan(store, nextCursor).entries.length).toBe(1);
    expect(() => scan(other, nextCursor)).toThrow(/start over/);
    for (const bad of ['x', 'aa', 'aa-', 'aa--1', 'aa-1e9', `${nextCursor} `, 'aa-99999999999999999999']) {
      expect(() => scan(store, bad), bad).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }
    for (const limit of [-1, 10_001, 1.5, Number.NaN])
      expect(() => scan(store, '', limit)).toThrow(/limit is/);
  });
});

describe('a cursor', () => {
  it('of one prefix is refused for another one, by scans and counts, and not by the same', () => {
    const store = createStore({ limits: UNLIMITED });
    for (let i = 0; i < 5_000; i++) store.apply(set(`${i % 2 === 0 ? 'a' : 'b'}:${i}`), at(i + 1));
    const page = (prefix: string, cursor: string) =>
      store.scan({ prefix, cursor, limit: 1, keysOnly: true }, 1).nextCursor;
    const count = (prefix: string, cursor: string) => store.count({ prefix, cursor, limit: 1 }, 1).nextCursor;
    for (const prefix of ['', 'a:', 'b:']) {
      for (const cursor of [page(prefix, ''), count(prefix, '')]) {
        expect([page(prefix, cursor), count(prefix, cursor)]).not.toContain('');
        for (const other of ['', 'a:', 'b:', 'a'].filter((one) => one !== prefix))
          for (const call of [page, count])
            expect(() => call(other, cursor), `${prefix} ${other}`).toThrow(
              expect.objectContaining({
                code: 'invalid_argument',
                message: expect.stringContaining('of another prefix: expected the same prefix'),
              }),
            );
      }
    }
  });
});

describe('a count', () => {
  it('is the number of live entries with the prefix, over all pages', () => {
    const store = createStore({ limits: UNLIMITED });
    for (let i = 0; i < 300; i++) store.apply(set(`a${i % 3}:${i}`, 'v', i % 2 === 0 ? 0 : 50), at(i + 1));
    const count = (prefix: string, nowMs: number, limit = 0): number[] => {
      const pages: number[] = [];
      let cursor = '';
      do {
        const page = store.count({ prefix, cursor, limit }, nowMs);
        pages.push(page.count);
        cursor = page.nextCursor;
      } while (cursor !== '');
      return pages;
    };
    expect(count('', 0)).toEqual([300]);
    expect(count('a1:', 0)).toEqual([100]);
    expect(count('a1:', 50)).toEqual([50]);
    expect(count('none', 0)).toEqual([0]);
    const pages = count('a2:', 0, 30);
    expect([Math.max(...pages), pages.reduce((sum, one) => sum + one, 0)]).toEqual([30, 100]);
    expect(() => store.count({ prefix: '', cursor: 'x', limit: 0 }, 0)).toThrow('cursor is malformed');
    expect(() => store.count({ prefix: '', cursor: '', limit: 10_001 }, 0)).toThrow('limit is 10001');
  });
});
