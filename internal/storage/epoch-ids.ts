/**
 * Small numbers for epochs. Millions of entries share a few epochs, so a slot
 * contains a number of 27 bits instead of the epoch's eight bytes. References are
 * counted, and a number is free for reuse when no entry has its epoch any more.
 */
import { assert } from '#platform/assert.ts';

/** The number has 27 bits in a slot. */
export const EPOCH_IDS_MAX = 2 ** 27;

export class EpochIds {
  readonly #ids = new Map<number, number>();
  readonly #epochs: number[] = [];
  readonly #counts: number[] = [];
  readonly #free: number[] = [];
  /** The last lookup: successive entries mostly have the same epoch. */
  #lastEpoch = Number.NaN;
  #lastId = 0;

  /** Returns the number of `epoch` and counts one more reference to it. */
  retain(epoch: number): number {
    if (epoch !== this.#lastEpoch) this.#look(epoch);
    (this.#counts[this.#lastId] as number)++;
    return this.#lastId;
  }

  release(id: number): void {
    const count = (this.#counts[id] as number) - 1;
    this.#counts[id] = count;
    if (count > 0) return;
    this.#ids.delete(this.#epochs[id] as number);
    this.#free.push(id);
    if (id === this.#lastId) this.#lastEpoch = Number.NaN;
  }

  epochOf(id: number): number {
    return this.#epochs[id] as number;
  }

  /** How many epochs are in use. */
  get size(): number {
    return this.#ids.size;
  }

  #look(epoch: number): void {
    let id = this.#ids.get(epoch);
    if (id === undefined) {
      id = this.#free.pop() ?? this.#epochs.length;
      assert(id < EPOCH_IDS_MAX, 'too many epochs');
      this.#ids.set(epoch, id);
      this.#epochs[id] = epoch;
      this.#counts[id] = 0;
    }
    this.#lastEpoch = epoch;
    this.#lastId = id;
  }
}
