/**
 * The groups of the newest map: which one owns a key, and which one an epoch is of. Calls of
 * a group that the map no longer has go on until they end.
 */
import type { ShardMap } from '#cluster/shard-map.ts';
import { isOfOneSlot, slotOfKey } from '#cluster/slot-hash.ts';
import { invalidArgument, WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { SLOTS } from '#model/slots.ts';
import type { Clock } from '#platform/clock.ts';
import type { Logger } from '#platform/logger.ts';
import type { Random } from '#platform/random.ts';
import { EpochOwners } from '#routing/epoch-owners.ts';
import { GroupCalls } from '#routing/group-calls.ts';
import { membersOf } from '#routing/group-members.ts';
import type { HoldLimits } from '#routing/hold.ts';
import { MapCache } from '#routing/map-cache.ts';
import type { NodeLinks } from '#routing/node-keys.ts';
import { SlotOwners } from '#routing/slot-owners.ts';
import { SlotTable } from '#routing/slot-table.ts';

export interface GroupsOptions {
  readonly links: NodeLinks;
  readonly clock: Clock;
  readonly random: Random;
  /** What each group may hold. */
  readonly limits: HoldLimits;
  readonly logger: Logger;
  /** Asks a coordinator for news, which go to `cache`. Rejects where none answers. */
  readonly ask: () => Promise<void>;
  /** Called with each newer map. */
  readonly onMap: (map: ShardMap) => void;
}

/** How long a caller that knows a newer map waits until this process has it. */
const MAP_HEARD_MS = 500;
/** Enough that a group that owns one slot only has one of these keys, but for one case in 10,000,000. */
const KEYS_TRIED_MAX = 16 * SLOTS;

export class Groups {
  readonly cache: MapCache;
  readonly owners: SlotOwners;
  readonly #options: GroupsOptions;
  #groups = new Map<string, GroupCalls>();
  #bySlot = new SlotTable<GroupCalls>([], () => undefined);
  readonly #epochs: EpochOwners;
  #retries = 0;

  constructor(options: GroupsOptions) {
    const { clock, ask } = options;
    this.#options = options;
    this.#epochs = new EpochOwners({ clock, groups: () => this.all });
    this.cache = new MapCache({ clock, ask, onMap: (map) => this.#onMap(map) });
    this.owners = new SlotOwners(this.cache);
  }

  /** In the order of their ids. */
  get all(): readonly GroupCalls[] {
    return [...this.#groups.values()];
  }

  /** Attempts that were followed by another. */
  get retries(): number {
    return this.#retries;
  }

  /** Throws `unavailable` where no group owns the key's slot, as far as is known. */
  ofKey(key: string): GroupCalls {
    return this.ofSlot(slotOfKey(key));
  }

  /**
   * Those that may have keys with the prefix, in the order of their ids: a group without slots has none.
   * Throws `unavailable` as `ofKey`, and while there is no map.
   */
  ofPrefix(prefix: string): readonly GroupCalls[] {
    if (isOfOneSlot(prefix)) return [this.ofKey(prefix)];
    if (this.cache.map === undefined) throw refused(NO_MAP);
    const owners = this.owners.all();
    return this.all.filter(({ id }) => owners.has(id));
  }

  /** A key that the group owns, which need not be there; undefined: it owns no slot. */
  keyOf({ id }: GroupCalls): string | undefined {
    const { map } = this.cache;
    const isOwner = map?.slots.some(({ group }) => group === id) === true;
    for (let i = 0; isOwner && i < KEYS_TRIED_MAX; i++)
      if (this.owners.ownerOf(slotOfKey(`${i}`)) === id) return `${i}`;
    return undefined;
  }

  ofSlot(slot: number): GroupCalls {
    const { map } = this.cache;
    if (map === undefined) throw refused(NO_MAP);
    if (!this.owners.hasHints) {
      const owner = this.#bySlot.ownerOf(slot);
      if (owner !== undefined) return owner;
    }
    const id = this.owners.ownerOf(slot);
    const group = id === undefined ? undefined : this.#groups.get(id);
    if (group !== undefined) return group;
    throw refused(`slot ${slot} has no owner in the map of epoch ${map.epoch}`);
  }

  /** The group that owns every slot, where there is one. */
  get ofEverySlot(): GroupCalls | undefined {
    return this.owners.hasHints ? undefined : this.#bySlot.ownerOfAll;
  }

  /**
   * Await it before a call of somebody who knows the map of this epoch. Rejects with `unavailable` where no
   * coordinator tells it within 500 ms. Undefined: it is known.
   */
  whenHeard(epoch: number): Promise<void> | undefined {
    return this.#epoch >= epoch ? undefined : this.#askFor(epoch);
  }

  /** True if the map has a group with this id. */
  has(id: string): boolean {
    return this.#groups.has(id);
  }

  /** Throws `invalid_argument` where the map has no such group. */
  ofId(id: string): GroupCalls {
    const group = this.#groups.get(id);
    if (group !== undefined) return group;
    throw invalidArgument(`there is no group ${id} in the map: start over without a cursor`);
  }

  /**
   * The group that the position names, or whose history its epoch is; undefined: not heard of here.
   * Throws `invalid_argument` where it names a group that there is not.
   */
  ofPosition({ epoch, group }: Position): GroupCalls | undefined {
    if (group !== undefined) this.checkNamed(group);
    return this.#groups.get(group ?? this.#epochs.ownerOf(epoch) ?? '');
  }

  /** Await it before `positionFor` and `ofPosition`: asks the groups whose an epoch is that no answer told. Undefined: known. */
  learnEpochOf(position: Position | undefined): Promise<void> | undefined {
    return this.#epochs.learn(position);
  }

  /** See `EpochOwners.isOfNobody`; await `learnEpochOf` before it. */
  isOfNobody(position: Position): boolean {
    return this.#epochs.isOfNobody(position);
  }

  /**
   * The position, unless it is of another group: then it says nothing of this one. Throws
   * `invalid_argument` where it names a group that there is not.
   */
  positionFor(group: GroupCalls, position: Position | undefined): Position | undefined {
    if (position === undefined) return undefined;
    const { epoch, lsn, group: named } = position;
    if (named !== undefined) {
      this.checkNamed(named);
      return named === group.id ? { epoch, lsn } : undefined;
    }
    const owner = this.#epochs.ownerOf(position.epoch);
    return owner === undefined || owner === group.id ? position : undefined;
  }

  /** Throws `invalid_argument` for a position of a group that the map does not have, `unavailable` while there is no map. */
  checkNamed(group: string): void {
    const { map } = this.cache;
    if (map === undefined) throw refused(NO_MAP);
    if (this.#groups.has(group)) return;
    throw invalidArgument(
      `a position is of group ${group}, and the map of epoch ${map.epoch} has none of that name: expected positions of answers of this cluster; without any, a session begins anew`,
    );
  }

  get #epoch(): number {
    return this.cache.map?.epoch ?? 0;
  }

  async #askFor(epoch: number): Promise<void> {
    await this.cache.refreshWithin(MAP_HEARD_MS);
    if (this.#epoch >= epoch) return;
    throw new WalnutError(
      'unavailable',
      `the caller knows map epoch ${epoch}, and this gateway ${this.#epoch}: no coordinator that it asked told it a newer one`,
      { nothingDone: true },
    );
  }

  #onMap(map: ShardMap): void {
    const { links, clock, random, limits, logger, onMap } = this.#options;
    const groups = new Map<string, GroupCalls>();
    for (const id of [...map.groups.keys()].sort()) {
      const made = (): GroupCalls =>
        new GroupCalls({
          ...{ id, links, clock, random, limits, logger },
          refresh: (limitMs) => this.cache.refreshWithin(limitMs),
          onRetry: () => {
            this.#retries++;
          },
          onEpoch: (epoch) => this.#epochs.note(epoch, id),
        });
      groups.set(id, this.#groups.get(id) ?? made());
    }
    this.#groups = groups;
    this.#bySlot = new SlotTable(map.slots, (id) => groups.get(id));
    for (const [id, group] of map.groups) groups.get(id)?.update(membersOf(group, map));
    links.retain(new Set([...map.nodes.values()].map(({ address }) => address)));
    onMap(map);
  }
}

const NO_MAP = 'there is no map of the cluster yet: no coordinator has answered';

function refused(message: string): WalnutError {
  return new WalnutError('unavailable', message, { nothingDone: true, retryAfterS: 1 });
}
