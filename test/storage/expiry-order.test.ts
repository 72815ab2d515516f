/** The expiry index against a plain list: none missed, none early, bounded, the oldest first. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ExpiryIndex } from '#storage/expiry-index.ts';
import { SlotTable } from '#storage/slot-table.ts';
import { addSlot, at, newStore, remove, set, writeSlot } from '#test/storage/helpers.ts';

const EMPTY = new Uint8Array(0);
/** Deadlines crowd around the ends of these. */
const STEP_MS = 250;

/** An index and, beside it, what each of its slots has for a deadline. */
class Indexed {
  readonly slots = new SlotTable();
  readonly index = new ExpiryIndex(this.slots);
  readonly deadlines = new Map<number, number>();

  add(expireAtMs: number): number {
    const slot = this.slots.allocate();
    this.#write(slot, expireAtMs);
    return slot;
  }

  change(slot: number, expireAtMs: number): void {
    this.index.remove(slot);
    this.#write(slot, expireAtMs);
  }

  remove(slot: number): void {
    this.index.remove(slot);
    this.slots.free(slot);
    this.deadlines.delete(slot);
  }

  dueAt(nowMs: number): number[] {
    return [...this.deadlines].filter(([, ms]) => ms !== 0 && ms <= nowMs).map(([slot]) => slot);
  }

  #write(slot: number, expireAtMs: number): void {
    writeSlot(this.slots, slot, 'k', EMPTY, expireAtMs);
    this.index.add(slot);
    this.deadlines.set(slot, expireAtMs);
  }
}

const sorted = (list: readonly number[]): number[] => [...list].sort((a, b) => a - b);

/** Deadlines close to each other and equal, alone and crowded, never and far away. */
const deadline = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 3_000 }) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => n * STEP_MS) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 12 }).map((n) => n * STEP_MS - 1) },
  { weight: 2, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.constantFrom(2 ** 31, 2 ** 42 + 1, Number.MAX_SAFE_INTEGER) },
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('add' as const), ms: deadline, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), ms: deadline, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), ms: deadline, pick: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('due' as const), ms: deadline, pick: fc.nat(6) }) },
);

describe('the expiry index', () => {
  it('is a list searched from end to end, after any adds, changes and removals', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const indexed = new Indexed();
        for (const { do: kind, ms, pick } of steps) {
          const known = [...indexed.deadlines.keys()];
          const slot = known[pick % Math.max(1, known.length)];
          if (kind === 'add') indexed.add(ms);
          else if (kind === 'due') checkDue(indexed, ms, pick);
          else if (slot !== undefined && kind === 'change') indexed.change(slot, ms);
          else if (slot !== undefined) indexed.remove(slot);
        }
        for (const ms of [0, 1, 249, 250, 1_500, 4_000, Number.MAX_SAFE_INTEGER]) checkDue(indexed, ms, 3);
      }),
      { numRuns: 300 },
    );
  });

  function checkDue(indexed: Indexed, nowMs: number, max: number): void {
    const expected = indexed.dueAt(nowMs);
    expect(sorted(indexed.index.due(nowMs, 1_000))).toEqual(sorted(expected));
    const some = indexed.index.due(nowMs, max);
    expect(some.length).toBe(Math.min(max, expected.length));
    expect(new Set(some).size).toBe(some.length);
    for (const slot of some) expect(expected).toContain(slot);
    const oldest = Math.min(...expected.map((slot) => indexed.deadlines.get(slot) as number));
    const first = some[0];
    if (first !== undefined) expect(indexed.deadlines.get(first)).toBe(oldest);
  }

  it('drains completely in small pieces, whatever the order of deadlines', () => {
    fc.assert(
      fc.property(fc.array(deadline, { maxLength: 200 }), fc.integer({ min: 1, max: 7 }), (list, max) => {
        const indexed = new Indexed();
        for (const ms of list) indexed.add(ms);
        let last = Number.NEGATIVE_INFINITY;
        for (let due = indexed.index.due(10_000, max); due.length > 0; due = indexed.index.due(10_000, max)) {
          const oldest = indexed.deadlines.get(due[0] as number) as number;
          expect(oldest).toBeGreaterThanOrEqual(last);
          last = oldest;
          for (const slot of due) indexed.remove(slot);
        }
        expect(indexed.dueAt(10_000)).toEqual([]);
        expect(indexed.deadlines.size).toBe(list.filter((ms) => ms === 0 || ms > 10_000).length);
      }),
    );
  });

  it('names the same ones again until they are removed, and none for max 0', () => {
    const indexed = new Indexed();
    indexed.add(5);
    indexed.add(6);
    expect(indexed.index.due(100, 0)).toEqual([]);
    expect(indexed.index.due(100, 2)).toEqual(indexed.index.due(100, 2));
  });

  it('looks at what is due and at four others for each, whatever else there is', () => {
    let examined = 0;
    class CountingTable extends SlotTable {
      override expireAtMsOf(slot: number): number {
        examined++;
        return super.expireAtMsOf(slot);
      }
    }
    const slots = new CountingTable();
    const index = new ExpiryIndex(slots);
    for (let i = 0; i <= 50_000; i++) {
      const slot = addSlot(slots, 'k', EMPTY, i === 25_000 ? 1_001 : 1_101 + (i % 7));
      index.add(slot);
    }
    examined = 0;
    expect(index.due(1_000, 10)).toEqual([]);
    expect(index.due(1_050, 10).length).toBe(1);
    expect(index.due(1_250, 10).length).toBe(10);
    expect(examined).toBeLessThanOrEqual(1 + 5 + 50);
    expect(index.due(1_250, 100_000).length).toBe(50_001);
  });

  it('moves a few places for a deadline that changes or goes, and gives its memory back', () => {
    let moved = 0;
    class CountingTable extends SlotTable {
      override setExpiryPlace(slot: number, place: number): void {
        moved++;
        super.setExpiryPlace(slot, place);
      }
    }
    const slots = new CountingTable();
    const index = new ExpiryIndex(slots);
    const all = Array.from({ length: 100_000 }, (_, i) =>
      addSlot(slots, 'k', EMPTY, 1 + ((i * 7_919) % 99_991)),
    );
    for (const slot of all) index.add(slot);
    for (const slot of all) {
      moved = 0;
      index.remove(slot);
      // As deep as the heap is.
      expect(moved).toBeLessThan(12);
    }
    expect(index.due(Number.MAX_SAFE_INTEGER, 10)).toEqual([]);
    expect(index.heldBytes).toBeLessThan(2 ** 18);
  });

  it('forgets a deadline that an overwrite or a delete replaced, through the store', () => {
    const store = newStore();
    store.apply(set('sooner', '', 5_000), at(1));
    store.apply(set('later', '', 5_000), at(2));
    store.apply(set('never', '', 5_000), at(3));
    store.apply(set('gone', '', 5_000), at(4));
    store.apply(set('sooner', '', 100), at(5));
    store.apply(set('later', '', 9_000), at(6));
    store.apply(set('never', '', 0), at(7));
    store.apply(remove('gone'), at(8));
    const due = (nowMs: number): string[] => store.due(nowMs, 10).map(({ key }) => key);
    expect(due(99)).toEqual([]);
    expect(due(100)).toEqual(['sooner']);
    expect(due(8_999)).toEqual(['sooner']);
    expect(due(9_000).sort()).toEqual(['later', 'sooner']);
  });
});
