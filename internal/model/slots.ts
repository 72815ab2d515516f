/** The slots among which a cluster divides its keys. */
import type { Position } from '#model/position.ts';

/** Slots are numbered 0 to `SLOTS` - 1. */
export const SLOTS = 16_384;

/** Slots in a row, both ends included. */
export interface SlotRun {
  readonly first: number;
  readonly last: number;
}

/** Entries and bytes of a slot, expired entries that are not deleted yet included. */
export interface SlotSize {
  readonly slot: number;
  readonly entries: number;
  /** What counts against `storage.max_memory`. */
  readonly bytes: number;
}

/** Some slots that have entries, ascending, all as of one position. */
export interface SlotSizesPage {
  readonly asOf: Position;
  readonly sizes: readonly SlotSize[];
  /** The slot at which the next page begins; 0: there is none. */
  readonly nextSlot: number;
}

/** A run of slots and the group that owns it. */
export interface OwnedRun extends SlotRun {
  readonly group: string;
}

/** The first slots that have no owner, or two. */
export type OwnerFault =
  | { readonly kind: 'none'; readonly first: number; readonly last: number }
  | { readonly kind: 'two'; readonly slot: number; readonly groups: readonly [string, string] };

/** Undefined if every slot has exactly one owner. `runs`: in any order. Pure. */
export function findOwnerFault(runs: readonly OwnedRun[]): OwnerFault | undefined {
  let next = 0;
  let before = '';
  for (const { first, last, group } of [...runs].sort((a, b) => a.first - b.first)) {
    if (first < next) return { kind: 'two', slot: first, groups: [before, group] };
    if (first > next) return { kind: 'none', first: next, last: first - 1 };
    next = last + 1;
    before = group;
  }
  return next === SLOTS ? undefined : { kind: 'none', first: next, last: SLOTS - 1 };
}
