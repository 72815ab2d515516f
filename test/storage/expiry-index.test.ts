import { describe, expect, it } from 'vitest';
import { ExpiryIndex } from '#storage/expiry-index.ts';
import { SlotTable } from '#storage/slot-table.ts';
import { SeededRandom } from '#test/doubles/seeded-random.ts';
import { addSlot } from '#test/storage/helpers.ts';

const EMPTY = new Uint8Array(0);

describe('expiry index', () => {
  it('always knows the oldest and everything due, through thousands of deadlines coming and going', () => {
    for (let seed = 1; seed <= 30; seed++) {
      const random = new SeededRandom(seed);
      const slots = new SlotTable();
      const index = new ExpiryIndex(slots);
      const stored = new Map<number, number>();
      for (let i = 0; i < 600; i++) {
        if (random.below(5) < 3 || stored.size === 0) {
          const expireAtMs = 1 + random.below(200_000);
          const slot = addSlot(slots, `k${i}`, EMPTY, expireAtMs);
          index.add(slot);
          stored.set(slot, expireAtMs);
        } else {
          const slot = [...stored.keys()][random.below(stored.size)] as number;
          index.remove(slot);
          slots.free(slot);
          stored.delete(slot);
        }
        if (stored.size === 0) continue;
        const oldestMs = Math.min(...stored.values());
        const first = index.due(1e9, 1).map((slot) => stored.get(slot));
        expect(first, `seed ${seed}`).toEqual([oldestMs]);
        const nowMs = random.below(200_000);
        const due = [...stored].filter(([, expireAtMs]) => expireAtMs <= nowMs).map(([slot]) => slot);
        expect(index.due(nowMs, 1_000).sort(), `seed ${seed}`).toEqual(due.sort());
      }
    }
  });
});
