/**
 * Small numbers for the epochs that entries are of: millions of entries share a
 * handful, so a slot holds a number instead of the eight bytes of an epoch.
 * Counted, so that an epoch which no entry is of any more leaves nothing behind.
 */
import { assert } from '#platform/assert.ts';

/** A slot has 27 bits for the number. */
export const EPOCH_IDS_MAX = 2 ** 27;

export class EpochIds {
  readonly #ids = new Map<number, number>();
  readonly #epochs: number[] = [];
  readonly #counts: number[] = [];
  readonly #free: number[] = [];
  /** Most entries in a row are of one epoch. */
  #lastEpoch = Number.NaN;
  #lastId = 0;

  /** The number of `epoch`, counted once more. */
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

  /** Epochs that entries are of. */
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
