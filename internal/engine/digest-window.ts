/**
 * Remembers the digest of the state after each of the last 16,384 records. With it
 * two nodes can be compared at one exact position while both apply further records:
 * the master states its digest after the last record of a push, and the replica
 * looks up its own after the same record.
 *
 * The digests are numbers in typed arrays, 24 bytes per record and 384 KiB in all,
 * so that a record costs five stores; the text is made on demand.
 */
import type { DigestAnswer } from '#model/entry.ts';
import type { Lsn } from '#model/position.ts';
import { formatDigest } from '#storage/entry-hash.ts';
import type { Store } from '#storage/store.ts';

/** Number of records whose digests are remembered. */
export const DIGESTS_KEPT = 16_384;
const LANES = 4;

/** The digest of one state, for callers that know its LSN. */
export type DigestAtLsn = Omit<DigestAnswer, 'position'>;

export class DigestWindow {
  readonly #lanes = new Uint32Array(DIGESTS_KEPT * LANES);
  readonly #entries = new Float64Array(DIGESTS_KEPT);
  /** The remembered LSNs are `first` to `last`; none while `first` is above `last`. */
  #first = 1;
  #last = 0;

  /** Remembers the digest of the store, which is now at `lsn`: the LSN after the last one noted, or the first. */
  note(lsn: Lsn, store: Store): void {
    const place = lsn % DIGESTS_KEPT;
    store.copyStateDigest(this.#lanes, place * LANES);
    this.#entries[place] = store.entries;
    if (this.#first > this.#last) this.#first = lsn;
    else if (lsn - this.#first >= DIGESTS_KEPT) this.#first = lsn - DIGESTS_KEPT + 1;
    this.#last = lsn;
  }

  /** The oldest remembered LSN; above every other LSN if there is none. */
  get firstLsn(): number {
    return this.#first;
  }

  /** The digest after record `lsn`; undefined if it is no longer remembered, or not applied yet. */
  at(lsn: Lsn): DigestAtLsn | undefined {
    if (lsn < this.#first || lsn > this.#last) return undefined;
    const place = lsn % DIGESTS_KEPT;
    return {
      entries: this.#entries[place] as number,
      digest: formatDigest(this.#lanes, place * LANES),
    };
  }
}
