/** The outcomes of one client: those above its floor, in the order of sequence and index. */
import type { ClientName } from '#model/write-id.ts';
import type { ClientRow, OutcomeRow } from '#storage/request-rows.ts';

type Place = Pick<ClientName, 'sequence' | 'index'>;

export class ClientOutcomes {
  readonly clientId: bigint;
  /** The mark of client ids when this client was first seen: what it did up to there may have been forgotten. */
  readonly mark: number;
  /** Outcomes up to this sequence were dropped, or their answers are not needed. */
  floor = 0;
  /** The record of its last write. */
  lastLsn = 0;
  readonly #rows: OutcomeRow[] = [];

  constructor(clientId: bigint, mark: number) {
    this.clientId = clientId;
    this.mark = mark;
  }

  get row(): ClientRow {
    const { clientId, floor, mark, lastLsn } = this;
    return { kind: 'client', clientId, floor, mark, lastLsn };
  }

  get rows(): readonly OutcomeRow[] {
    return this.#rows;
  }

  find(place: Place): OutcomeRow | undefined {
    const row = this.#rows[this.#indexOf(place)];
    return row !== undefined && compare(row, place) === 0 ? row : undefined;
  }

  /** Returns the row that it replaces. */
  put(row: OutcomeRow): OutcomeRow | undefined {
    const at = this.#indexOf(row);
    const before = this.#rows[at];
    const isSame = before !== undefined && compare(before, row) === 0;
    this.#rows.splice(at, isSame ? 1 : 0, row);
    return isSame ? before : undefined;
  }

  /** Raises the floor to `sequence` if it is below; returns what is no longer above it. */
  dropThrough(sequence: number): OutcomeRow[] {
    this.floor = Math.max(this.floor, sequence);
    return this.#rows.splice(0, this.#indexOf({ sequence: this.floor, index: Number.POSITIVE_INFINITY }));
  }

  /** Drops the lowest sequences until no more than `outcomesMax` rows are left; returns what was dropped. */
  dropOver(outcomesMax: number): OutcomeRow[] {
    const last = this.#rows[this.#rows.length - outcomesMax - 1];
    return last === undefined ? [] : this.dropThrough(last.sequence);
  }

  /** Where the row is, or would be. */
  #indexOf(place: Place): number {
    let low = 0;
    let high = this.#rows.length;
    // Sequences rise, so that most rows belong at the end.
    if (high === 0 || compare(this.#rows[high - 1] as OutcomeRow, place) < 0) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compare(this.#rows[middle] as OutcomeRow, place) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function compare(a: Place, b: Place): number {
  return a.sequence - b.sequence || a.index - b.index;
}
