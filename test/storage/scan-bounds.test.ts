/** What a scan may cost, and what a hostile cursor gets. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ScanCommand } from '#model/commands.ts';
import { countSlots, scanSlots } from '#storage/slot-scan.ts';
import { SlotTable } from '#storage/slot-table.ts';
import { createStore, type Store } from '#storage/store.ts';
import { addSlot, at, remove, set, UNLIMITED } from '#test/storage/helpers.ts';

const ALL: ScanCommand = { prefix: '', cursor: '', limit: 0, keysOnly: true };

class CountingTable extends SlotTable {
  examined = 0;

  override stateOf(slot: number): number {
    this.examined++;
    return super.stateOf(slot);
  }
}

function tableOf(slots: number): CountingTable {
  const table = new CountingTable();
  for (let i = 0; i < slots; i++) addSlot(table, `k${i}`);
  return table;
}

function storeOf(entries: number, incarnation: string): Store {
  const store = createStore({ limits: UNLIMITED, incarnation });
  for (let i = 0; i < entries; i++) store.apply(set(`k${i}`), at(i + 1));
  return store;
}

describe('a scan', () => {
  it('under any changes returns what stays exactly once, and only live entries of the prefix', () => {
    const change = fc.tuple(fc.constantFrom('add', 'delete', 'overwrite', 'expire'), fc.nat(39));
    const round = fc.array(change, { maxLength: 12 });
    const limit = fc.integer({ min: 1, max: 9 });
    fc.assert(
      fc.property(fc.array(round, { maxLength: 40 }), limit, fc.boolean(), (rounds, pageLimit, keysOnly) => {
        const store = createStore({ limits: UNLIMITED, hashMask: 4 });
        for (let i = 0; i < 40; i++) {
          store.apply(set(`a:stay:${i}`, 'v'), at(1));
          store.apply(set(`a:go:${i}`, 'v'), at(1));
          store.apply(set(`b:stay:${i}`, 'v'), at(1));
        }
        const seen: string[] = [];
        let cursor = '';
        let pages = 0;
        do {
          const page = store.scan({ prefix: 'a:', cursor, limit: pageLimit, keysOnly }, 1_000);
          expect(page.entries.length).toBeLessThanOrEqual(pageLimit);
          for (const { key, value, expireAtMs } of page.entries) {
            expect(key.startsWith('a:') && (expireAtMs === 0 || expireAtMs > 1_000)).toBe(true);
            expect(value.length).toBe(keysOnly ? 0 : 1);
            seen.push(key);
          }
          cursor = page.nextCursor;
          for (const [kind, i] of rounds[pages] ?? []) {
            if (kind === 'add') store.apply(set(`a:new:${i}`, 'n'), at(2));
            else if (kind === 'delete') store.apply(remove(`a:go:${i}`), at(2));
            else if (kind === 'expire') store.apply(set(`a:go:${i}`, 'x', 1_000), at(2));
            else store.apply(set(`a:stay:${i}`, 'w'), at(2));
          }
          expect(++pages).toBeLessThan(200);
        } while (cursor !== '');
        const stayed = seen.filter((key) => key.startsWith('a:stay:'));
        expect(stayed.length).toBe(40);
        expect(new Set(stayed).size).toBe(40);
      }),
      { numRuns: 40 },
    );
  });

  it('examines at most 64 slots per entry asked for, 1,024 at least and 65,536 at most', () => {
    const table = tableOf(200_000);
    for (const [limit, most] of [
      [1, 1_024],
      [100, 6_400],
      [10_000, 65_536],
    ] as const) {
      table.examined = 0;
      const page = scanSlots(table, 'ab', { ...ALL, prefix: 'nothing', limit }, 0);
      expect(table.examined).toBe(most);
      expect(page.entries).toEqual([]);
      expect(page.nextCursor).toMatch(new RegExp(`^ab-${most}-[0-9a-f]+$`));
    }
  });

  it('stops at the limit, which is 100 where it is 0, and ends without a cursor at the last slot', () => {
    const table = tableOf(150);
    const first = scanSlots(table, 'ab', ALL, 0);
    expect([first.entries.length, first.nextCursor]).toEqual([100, 'ab-100']);
    const second = scanSlots(table, 'ab', { ...ALL, cursor: first.nextCursor }, 0);
    expect([second.entries.length, second.nextCursor]).toEqual([50, '']);
    expect(scanSlots(table, 'ab', { ...ALL, limit: 150 }, 0).nextCursor).toBe('');
    expect(scanSlots(table, 'ab', { ...ALL, limit: 149 }, 0).nextCursor).toBe('ab-149');
    expect(scanSlots(new SlotTable(), 'ab', ALL, 0)).toEqual({ entries: [], nextCursor: '' });
  });

  it('that only counts examines 65,536 slots a page, whatever it finds', () => {
    const table = tableOf(70_000);
    const first = countSlots(table, 'ab', ALL, 0);
    expect(first).toEqual({ count: 65_536, nextCursor: 'ab-65536' });
    expect(table.examined).toBe(65_536);
    const second = countSlots(table, 'ab', { ...ALL, cursor: first.nextCursor }, 0);
    expect(second).toEqual({ count: 70_000 - 65_536, nextCursor: '' });
  });
});

describe('a hostile cursor', () => {
  const refusal = expect.objectContaining({
    code: 'invalid_argument',
    message: expect.stringMatching(/cursor/),
  });

  it('of any text is refused as malformed or foreign, or is past the end', () => {
    const store = storeOf(3, 'abc123');
    const digit = fc.constantFrom(...'0123456789+-eE.');
    const cursor = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .tuple(
          fc.constantFrom('', 'abc123', 'abc124', 'a'.repeat(70)),
          fc.string({ unit: digit, maxLength: 20 }),
        )
        .map((parts) => parts.join('-')),
      fc.nat().map((slot) => `abc123-${slot}`),
    );
    fc.assert(
      fc.property(cursor, (text) => {
        if (text === '') return;
        if (/^abc123-\d{1,9}$/.test(text)) {
          const page = store.scan({ ...ALL, cursor: text }, 0);
          expect(page.entries.length).toBe(Math.max(0, 3 - Number(text.slice(7))));
          expect(page.nextCursor).toBe('');
          return;
        }
        expect(() => store.scan({ ...ALL, cursor: text }, 0)).toThrow(refusal);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    'abc123-',
    'abc123--1',
    'abc123-1.5',
    'abc123-1e3',
    'abc123-0x10',
    'abc123- 1',
    'abc123-1\n',
    '\0',
    '-1',
    '1',
    'abc123-9999999999',
    `abc123-${'9'.repeat(400)}`,
    `${'a'.repeat(65)}-1`,
    'ABC123-1',
    '__proto__-1',
    'abc12-1',
    'x'.repeat(1_000_000),
  ])('is refused: %#', (cursor) => {
    expect(() => storeOf(3, 'abc123').scan({ ...ALL, cursor }, 0)).toThrow(refusal);
  });

  it('from another store is refused saying what to do, and is not quoted back', () => {
    const { nextCursor } = storeOf(3, 'aaaa').scan({ ...ALL, limit: 1 }, 0);
    expect(nextCursor).toBe('aaaa-1');
    expect(() => storeOf(3, 'bbbb').scan({ ...ALL, cursor: nextCursor }, 0)).toThrow(
      'cursor is from another node or from before a restart: start over without one',
    );
  });

  it('does not tell the hash seed, and differs between seeds', () => {
    const cursorOf = (hashSeed: number): string => {
      const store = createStore({ limits: UNLIMITED, hashSeed });
      for (let i = 0; i < 3; i++) store.apply(set(`k${i}`), at(i + 1));
      return store.scan({ ...ALL, limit: 1 }, 0).nextCursor;
    };
    expect(cursorOf(0x1234abcd)).not.toMatch(/1234abcd/i);
    expect(cursorOf(1)).toBe(cursorOf(1));
    expect(new Set(Array.from({ length: 20 }, (_, seed) => cursorOf(seed))).size).toBe(20);
  });
});
