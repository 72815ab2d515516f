/**
 * Accepted mutations whose records are on their way to disk, in the order of
 * acceptance, and the newest of each key by its hash. A mutation is a row of
 * numbers that says where it stands in its record: keys and values are in the
 * record's bytes and nowhere else. Rows lie in a ring, since records settle in
 * the order in which they were accepted; cells of an open-addressing table name
 * the newest row of each key.
 */
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { NOT_STORED } from '#storage/store.ts';

/** Means "no row". */
export const NO_ROW = -1;
/** What a row counts for that is a delete: the same as a missing key. */
export const DELETED = NOT_STORED;

const ROWS_MIN = 256;
/** If there were more rows than this, their memory is given back when nothing is in flight. */
const ROWS_KEPT = 65_536;

export class WritesInFlight {
  /** A power of two. */
  #capacity = ROWS_MIN;
  #hashes = new Int32Array(ROWS_MIN);
  #places = new Int32Array(ROWS_MIN);
  #costs = new Int32Array(ROWS_MIN);
  #isNewest = new Uint8Array(ROWS_MIN);
  #records: (RecordInFlight | undefined)[] = [];
  /**
   * Rows of the newest mutations + 1, by the hash of their key; 0 is an empty cell. At
   * most half are used.
   */
  #cells = new Int32Array(2 * ROWS_MIN);
  #head = 0;
  #count = 0;
  /**
   * Rows after the head that `oldest` need not look at again, because superseded rows
   * and deletes never become entries.
   */
  #skipped = 0;

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  /** Returns the newest row of the key, or `NO_ROW`. */
  find(key: KeyBytes): number {
    return this.#count === 0 ? NO_ROW : (this.#cells[this.#cellOf(key)] as number) - 1;
  }

  /** What the entry of the row counts for; `DELETED` if the row is a delete. */
  costAt(row: number): number {
    return this.#costs[row] as number;
  }

  /** Where the mutation of the row begins in the payload of its record. */
  placeAt(row: number): number {
    return this.#places[row] as number;
  }

  recordAt(row: number): RecordInFlight {
    return this.#records[row] as RecordInFlight;
  }

  /** Adds the mutation at `place` of `record` as the newest of its key. */
  add(key: KeyBytes, record: RecordInFlight, place: number, cost: number): void {
    if (this.#count === this.#capacity) this.#resize(2 * this.#capacity);
    const row = (this.#head + this.#count++) & (this.#capacity - 1);
    this.#hashes[row] = key.hash;
    this.#places[row] = place;
    this.#costs[row] = cost;
    this.#isNewest[row] = 1;
    this.#records[row] = record;
    const cell = this.#cellOf(key);
    const before = (this.#cells[cell] as number) - 1;
    if (before !== NO_ROW) this.#isNewest[before] = 0;
    this.#cells[cell] = row + 1;
  }

  /** Removes the rows of the oldest record in flight. */
  settle(record: RecordInFlight): void {
    while (this.#count > 0 && this.#records[this.#head] === record) {
      const row = this.#head;
      if (this.#isNewest[row] === 1) this.#empty(row);
      this.#records[row] = undefined;
      this.#head = (row + 1) & (this.#capacity - 1);
      this.#count--;
      if (this.#skipped > 0) this.#skipped--;
    }
    if (this.#count === 0 && this.#capacity > ROWS_KEPT) this.clear();
  }

  clear(): void {
    this.#head = 0;
    this.#count = 0;
    this.#skipped = 0;
    this.#records = [];
    if (this.#capacity > ROWS_MIN) this.#allot(ROWS_MIN);
    else this.#cells.fill(0);
  }

  /**
   * Returns the oldest row that is the newest of its key, is no delete and has no
   * spared key; `NO_ROW` if there is none.
   */
  oldest(isSpared: (key: string) => boolean): number {
    while (this.#skipped < this.#count && !this.#isEntry(this.#rowAt(this.#skipped))) this.#skipped++;
    for (let i = this.#skipped; i < this.#count; i++) {
      const row = this.#rowAt(i);
      if (this.#isEntry(row) && !isSpared(this.keyAt(row))) return row;
    }
    return NO_ROW;
  }

  keyAt(row: number): string {
    return this.recordAt(row).keyAt(this.placeAt(row));
  }

  #rowAt(index: number): number {
    return (this.#head + index) & (this.#capacity - 1);
  }

  /** True if the row is the newest of its key and no delete. */
  #isEntry(row: number): boolean {
    return this.#isNewest[row] === 1 && this.#costs[row] !== DELETED;
  }

  /** Returns the cell of the key, or the empty cell that it would take. */
  #cellOf(key: KeyBytes): number {
    const mask = this.#cells.length - 1;
    let cell = key.hash & mask;
    for (;;) {
      const row = (this.#cells[cell] as number) - 1;
      if (row === NO_ROW || this.#isOf(row, key)) return cell;
      cell = (cell + 1) & mask;
    }
  }

  #isOf(row: number, key: KeyBytes): boolean {
    return this.#hashes[row] === key.hash && this.recordAt(row).hasKeyAt(this.#places[row] as number, key);
  }

  /** Empties the cell of a row, moving back what probing would no longer reach over the gap. */
  #empty(row: number): void {
    const cells = this.#cells;
    const mask = cells.length - 1;
    let gap = (this.#hashes[row] as number) & mask;
    while (cells[gap] !== row + 1) gap = (gap + 1) & mask;
    for (let cell = (gap + 1) & mask; cells[cell] !== 0; cell = (cell + 1) & mask) {
      const home = (this.#hashes[(cells[cell] as number) - 1] as number) & mask;
      // Its distance from its home cell must not become negative.
      if (((cell - home) & mask) < ((cell - gap) & mask)) continue;
      cells[gap] = cells[cell] as number;
      gap = cell;
    }
    cells[gap] = 0;
  }

  #resize(capacity: number): void {
    const old = { hashes: this.#hashes, places: this.#places, costs: this.#costs };
    const [newest, records, mask] = [this.#isNewest, this.#records, this.#capacity - 1];
    const head = this.#head;
    this.#allot(capacity);
    this.#records = [];
    this.#head = 0;
    for (let row = 0; row < this.#count; row++) {
      const from = (head + row) & mask;
      this.#hashes[row] = old.hashes[from] as number;
      this.#places[row] = old.places[from] as number;
      this.#costs[row] = old.costs[from] as number;
      this.#isNewest[row] = newest[from] as number;
      this.#records[row] = records[from];
      if (this.#isNewest[row] === 1) this.#put(row);
    }
  }

  /** Puts a row into a cell, if its key has none yet. */
  #put(row: number): void {
    const mask = this.#cells.length - 1;
    let cell = (this.#hashes[row] as number) & mask;
    while (this.#cells[cell] !== 0) cell = (cell + 1) & mask;
    this.#cells[cell] = row + 1;
  }

  #allot(capacity: number): void {
    this.#capacity = capacity;
    this.#hashes = new Int32Array(capacity);
    this.#places = new Int32Array(capacity);
    this.#costs = new Int32Array(capacity);
    this.#isNewest = new Uint8Array(capacity);
    this.#cells = new Int32Array(2 * capacity);
  }
}
