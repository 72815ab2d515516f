/** The owners of all slots in one map, for many look-ups. Pure. */
import type { SlotRange } from '#cluster/shard-map.ts';
import { SLOTS } from '#model/slots.ts';

export class SlotTable<O> {
  /** The first and last slots of the ranges, which ascend, and whose they are. */
  readonly #firsts: Uint16Array;
  readonly #lasts: Uint16Array;
  readonly #owners: readonly (O | undefined)[];

  /** `toOwner`: by the id of a group. */
  constructor(ranges: readonly SlotRange[], toOwner: (group: string) => O | undefined) {
    this.#firsts = Uint16Array.from(ranges, ({ first }) => first);
    this.#lasts = Uint16Array.from(ranges, ({ last }) => last);
    this.#owners = ranges.map(({ group }) => toOwner(group));
  }

  /** Undefined: the slot has no owner. */
  ownerOf(slot: number): O | undefined {
    const lasts = this.#lasts;
    let low = 0;
    let high = lasts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((lasts[middle] as number) < slot) low = middle + 1;
      else high = middle;
    }
    return low < lasts.length && (this.#firsts[low] as number) <= slot ? this.#owners[low] : undefined;
  }

  /** The owner of every slot; undefined where several, or none, have some. */
  get ownerOfAll(): O | undefined {
    const [owner] = this.#owners;
    const isAll = this.#firsts[0] === 0 && this.#lasts[0] === SLOTS - 1;
    return isAll ? owner : undefined;
  }
}
