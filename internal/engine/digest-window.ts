/**
 * The digests of the newest states, by LSN: what the state's digest was right
 * after each of the last 16,384 records. So two nodes can be compared at one
 * exact position although both go on: the master states what it had at the last
 * record of a push, and the replica looks up what it had there.
 *
 * Numbers in typed arrays, made text only when asked for: a record costs five
 * stores. 24 bytes per record, 384 KiB in all.
 */
import type { DigestAnswer } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { formatDigest } from '#storage/entry-hash.ts';
import type { Store } from '#storage/store.ts';

/** Records whose digests are remembered. */
export const DIGESTS_KEPT = 16_384;
const LANES = 4;

/** Of one state, where the LSN is known already. */
export type StateDigest = Omit<DigestAnswer, 'position'>;

export class DigestWindow {
  readonly #lanes = new Uint32Array(DIGESTS_KEPT * LANES);
  readonly #entries = new Float64Array(DIGESTS_KEPT);
  /** The consecutive LSNs held: `[first, last]`; none while `first` is beyond `last`. */
  #first = 1;
  #last = 0;

  /** The store now holds the state at `lsn`, the one after the last one noted or the first of all. */
  note(lsn: Lsn, store: Store): void {
    const place = lsn % DIGESTS_KEPT;
    store.copyDigest(this.#lanes, place * LANES);
    this.#entries[place] = store.entries;
    if (this.#first > this.#last) this.#first = lsn;
    else if (lsn - this.#first >= DIGESTS_KEPT) this.#first = lsn - DIGESTS_KEPT + 1;
    this.#last = lsn;
  }

  /** The oldest LSN held; beyond every other where there is none. */
  get firstLsn(): number {
    return this.#first;
  }

  /** The state's digest at `lsn`; undefined where it is older than what is kept, or still to come. */
  at(lsn: Lsn): StateDigest | undefined {
    if (lsn < this.#first || lsn > this.#last) return undefined;
    const place = lsn % DIGESTS_KEPT;
    return {
      entries: this.#entries[place] as number,
      digest: formatDigest(this.#lanes, place * LANES),
    };
  }
}
