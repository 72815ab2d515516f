/**
 * The order of a client's calls: one lane, and through a gateway one for each group, so that a group that
 * does not answer delays the calls of its own keys only. Answers of a gateway name the group of a key, and
 * that is the group of its whole slot. Until one has named it, a call is in the lane of those without a
 * group. A slot keeps its lane while a call of it is in there, so that calls of one key keep their order.
 */
import { slotOfKey } from '#cluster/slot-hash.ts';
import type { Pending, QueueLimits } from './batch-queue.ts';
import { Lane, type LaneOptions } from './lane.ts';

/** The lane that a slot is in, and how many calls of it are there. */
interface Stay {
  readonly slot: number;
  readonly lane: Lane;
  calls: number;
}

export interface GroupLanesOptions {
  readonly limits: QueueLimits;
  /** Settles every operation. Never rejects. */
  readonly send: LaneOptions['send'];
}

export class GroupLanes {
  readonly #options: LaneOptions;
  /** Calls of keys of which nobody has named the group. */
  readonly #first: Lane;
  readonly #lanes = new Map<string, Lane>();
  /** By slot. */
  readonly #groups = new Map<number, string>();
  readonly #stays = new Map<number, Stay>();
  readonly #stayOf = new Map<Pending, Stay>();
  /** What was called before the first group was named, and so is in no stay, is over. */
  #isDivided = false;

  constructor(options: GroupLanesOptions) {
    this.#options = { ...options, batchesMax: 1, onOver: (pending) => this.#onOver(pending) };
    this.#first = new Lane(this.#options);
  }

  /** The group that owns the key; undefined where no answer has named it. */
  groupOf(key: string): string | undefined {
    return this.#groups.get(slotOfKey(key));
  }

  /** A gateway has named the group that owns the key; empty: it has not. */
  learn(key: string, group: string): void {
    if (group === '') return;
    if (this.#groups.size === 0) void this.#first.settled().then(() => (this.#isDivided = true));
    this.#groups.set(slotOfKey(key), group);
  }

  /** Throws RESOURCE_EXHAUSTED if too much waits. */
  push(key: string, pending: Pending): void {
    if (this.#groups.size === 0) {
      this.#first.push(pending);
      return;
    }
    const slot = slotOfKey(key);
    const stay = this.#stays.get(slot) ?? { slot, lane: this.#laneOf(slot), calls: 0 };
    stay.lane.push(pending);
    stay.calls++;
    this.#stays.set(slot, stay);
    this.#stayOf.set(pending, stay);
  }

  /** Resolves when everything that was pushed before is settled; with a key, what of it may be of the same group. */
  async settled(key?: string): Promise<void> {
    const all = [this.#first, ...this.#lanes.values()];
    const lanes = key === undefined || this.#groups.size === 0 ? all : [this.#stayOrLane(slotOfKey(key))];
    await Promise.all(lanes.map((lane) => lane.settled()));
  }

  #stayOrLane(slot: number): Lane {
    return this.#stays.get(slot)?.lane ?? this.#laneOf(slot);
  }

  #laneOf(slot: number): Lane {
    const group = this.#groups.get(slot);
    if (!this.#isDivided || group === undefined) return this.#first;
    const lane = this.#lanes.get(group) ?? new Lane(this.#options);
    this.#lanes.set(group, lane);
    return lane;
  }

  #onOver(pending: Pending): void {
    const stay = this.#stayOf.get(pending);
    if (stay === undefined) return;
    this.#stayOf.delete(pending);
    if (--stay.calls === 0) this.#stays.delete(stay.slot);
  }
}
