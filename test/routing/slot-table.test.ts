import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownerOf, type SlotRange } from '#cluster/shard-map.ts';
import { SLOTS } from '#model/slots.ts';
import { SlotTable } from '#routing/slot-table.ts';

/** Ranges that ascend, some of which touch. */
const ranges = fc
  .array(fc.tuple(fc.integer({ min: 0, max: SLOTS - 1 }), fc.constantFrom('g1', 'g2', 'g3')), {
    maxLength: 12,
  })
  .map((cuts): SlotRange[] => {
    const firsts = [...new Map(cuts)].sort(([a], [b]) => a - b);
    return firsts.flatMap(([first, group], i) => {
      const next = firsts[i + 1]?.[0] ?? SLOTS;
      return [{ first, last: i % 3 === 0 ? next - 1 : first, group }];
    });
  });

describe('a table of slots', () => {
  it('names the owner that the map names', () => {
    fc.assert(
      fc.property(ranges, fc.array(fc.nat(SLOTS - 1), { minLength: 1 }), (map, slots) => {
        const table = new SlotTable(map, (group) => group);
        const edges = map.flatMap(({ first, last }) => [first - 1, first, last, last + 1]);
        for (const slot of [...slots, ...edges.filter((one) => one >= 0 && one < SLOTS)])
          expect(table.ownerOf(slot)).toBe(ownerOf(map, slot));
      }),
    );
  });

  it.each([
    [[{ first: 0, last: SLOTS - 1, group: 'g1' }], 'g1'],
    [[{ first: 1, last: SLOTS - 1, group: 'g1' }], undefined],
    [[{ first: 0, last: 5, group: 'g1' }], undefined],
    [[], undefined],
  ])('%j has the owner of all %s', (map, owner) => {
    expect(new SlotTable(map, (group) => group).ownerOfAll).toBe(owner);
  });
});
