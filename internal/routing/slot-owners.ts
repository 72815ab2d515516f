/**
 * Which group owns each slot: the one that the newest map names. Where a group refuses by a map
 * that is newer, and no coordinator tells that one here, the group that the refusal names.
 */
import { ownerOf } from '#cluster/shard-map.ts';
import type { ShardOwner } from '#model/shard-owner.ts';
import { SLOTS } from '#model/slots.ts';
import type { MapCache } from '#routing/map-cache.ts';

/** How long a coordinator has to tell a newer map, before the refusal alone counts. */
const LEARN_MS = 1_000;

export class SlotOwners {
  readonly #cache: MapCache;
  /** By slot: owners that refusals named by a newer map than ours. */
  readonly #hints = new Map<number, ShardOwner>();

  constructor(cache: MapCache) {
    this.#cache = cache;
  }

  /** True if a refusal may say otherwise than the map. */
  get hasHints(): boolean {
    return this.#hints.size > 0;
  }

  /**
   * The id of a group of the map; undefined: none owns the slot, as far as is known. A group that
   * the map does not have has no address here: then only a newer map helps.
   */
  ownerOf(slot: number): string | undefined {
    const { map } = this.#cache;
    if (map === undefined) return undefined;
    const hint = this.#hints.size === 0 ? undefined : this.#hints.get(slot);
    if (hint !== undefined && hint.mapEpoch > map.epoch && map.groups.has(hint.group)) return hint.group;
    if (hint !== undefined) this.#hints.delete(slot);
    return ownerOf(map.slots, slot);
  }

  /** The ids of groups that own a slot, by the map or by a refusal that is newer. */
  all(): ReadonlySet<string> {
    const { map } = this.#cache;
    const ids = new Set(map?.slots.map(({ group }) => group));
    for (const slot of this.#hints.keys()) {
      const id = this.ownerOf(slot);
      if (id !== undefined) ids.add(id);
    }
    return ids;
  }

  /**
   * The group `by` has refused. Unless another owner is known by now, asks a coordinator for a newer
   * map, at most once in 100 ms for all callers, and heeds the refusal where none comes. Never rejects.
   */
  async learn(refusal: ShardOwner | undefined, by: string): Promise<void> {
    const owner = refusal && this.ownerOf(refusal.slot);
    if (owner !== undefined && owner !== by) return;
    await this.#cache.refreshWithin(LEARN_MS);
    if (refusal !== undefined) this.#heed(refusal);
  }

  /** Keeps what a refusal says. `ownerOf` compares it with the map that is there when it is asked. */
  #heed(refusal: ShardOwner): void {
    const { slot, mapEpoch } = refusal;
    if (slot < SLOTS && mapEpoch >= (this.#hints.get(slot)?.mapEpoch ?? 0)) this.#hints.set(slot, refusal);
  }
}
