import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PlacedNode, placeGroups } from '#cluster/placement.ts';

const nodes = (text: string): PlacedNode[] =>
  text.split(' ').map((each) => ({ name: each, zone: each.slice(0, each.indexOf('-')) }));
const placed = (text: string, size: number): string =>
  placeGroups(nodes(text), size)
    .map(({ id, nodes: names }) => `${id}: ${names.join(' ')}`)
    .join(', ');

describe('groups placed over zones', () => {
  it.each([
    ['x-1 y-1 z-1', 3, 'g1: x-1 y-1 z-1'],
    ['x-1 x-2 y-1 y-2', 2, 'g1: x-1 y-1, g2: x-2 y-2'],
    ['x-1 x-2 x-3 y-1 y-2 z-1', 3, 'g1: x-1 x-3 y-2, g2: x-2 y-1 z-1'],
    ['x-1 x-2 x-3 y-1', 3, 'g1: x-1 x-2 y-1'],
    ['-a -b -c', 3, 'g1: -a -b -c'],
    ['x-1 x-2', 3, ''],
    ['x-1', 1, 'g1: x-1'],
  ])('%s in groups of %i', (text, size, expected) => {
    expect(placed(text, size)).toBe(expected);
  });

  it('take no node twice, are full, and keep a zone apart where that can be', () => {
    const zone = fc.constantFrom('', 'x', 'y', 'z');
    fc.assert(
      fc.property(fc.array(zone, { maxLength: 14 }), fc.integer({ min: 1, max: 4 }), (zones, size) => {
        const all = zones.map((each, i) => ({ name: `n${i}`, zone: each }));
        const groups = placeGroups(all, size);
        const names = groups.flatMap((group) => group.nodes);
        expect(groups.length).toBe(Math.floor(all.length / size));
        expect(groups.every((group) => group.nodes.length === size)).toBe(true);
        expect(new Set(names).size).toBe(names.length);
        const zoneOf = new Map(all.map((node) => [node.name, node.zone]));
        const sizes = ['x', 'y', 'z'].map((each) => names.filter((name) => zoneOf.get(name) === each).length);
        if (sizes.some((count) => count > groups.length)) return;
        for (const group of groups) {
          const known = group.nodes.map((name) => zoneOf.get(name)).filter((each) => each !== '');
          expect(new Set(known).size).toBe(known.length);
        }
      }),
    );
  });
});
