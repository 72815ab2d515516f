/**
 * When records were made, to the second and without a byte per entry: a sparse table
 * from LSN to second. A row says that the records up to its LSN, behind the row
 * before, were made in its second or earlier by the log clock. A second has at most
 * one row, and rows become rarer with their age, so an answer is exact for two
 * minutes, and later than the truth by less than a 128th of the record's age.
 *
 * The table follows from the log, and is no part of the state that nodes compare.
 */
import { assert } from '#platform/assert.ts';
import { asBuffer } from '#platform/bytes.ts';
import { readU64, SnapshotError, viewOf, writeU64 } from '#storage/snapshot-bytes.ts';

export interface TimeRow {
  readonly lastLsn: number;
  /** Since the Unix epoch, by the log clock. */
  readonly second: number;
}

const ROW_BYTES = 16;
/** After so many new rows the older ones are thinned. */
const NEW_ROWS_MAX = 256;
/** How many times its distance from the row behind it a row is old, where it is kept. */
const AGE_PER_STEP = 128;

export class TimeTable {
  /** The rows as two columns, both ascending. */
  #lastLsns: number[];
  #seconds: number[];
  #newRows = 0;

  constructor(rows: readonly TimeRow[] = []) {
    this.#lastLsns = rows.map(({ lastLsn }) => lastLsn);
    this.#seconds = rows.map(({ second }) => second);
  }

  /** Takes in the next record; `timestampMs` is the one of its frame. */
  note(lsn: number, timestampMs: number): void {
    const last = this.#seconds.length - 1;
    const second = Math.floor(timestampMs / 1_000);
    // A record that states an earlier time than the one before counts as made in the same second.
    if (last >= 0 && second <= (this.#seconds[last] as number)) {
      this.#lastLsns[last] = lsn;
      return;
    }
    this.#lastLsns.push(lsn);
    this.#seconds.push(second);
    if (++this.#newRows < NEW_ROWS_MAX) return;
    this.#newRows = 0;
    this.#thin();
  }

  /** When the record was made, in whole seconds as milliseconds by the log clock; undefined if it is not noted yet. */
  madeMs(lsn: number): number | undefined {
    const second = this.#seconds[firstAtLeast(this.#lastLsns, lsn)];
    return second === undefined ? undefined : second * 1_000;
  }

  /** Every record below the LSN that is returned was made before `ms`; that one may have been, too. */
  firstLsnSince(ms: number): number {
    const row = firstAtLeast(this.#seconds, Math.floor(ms / 1_000));
    return row === 0 ? 1 : (this.#lastLsns[row - 1] as number) + 1;
  }

  /** Oldest first. */
  rows(): TimeRow[] {
    this.#thin();
    return this.#lastLsns.map((lastLsn, i) => ({ lastLsn, second: this.#seconds[i] as number }));
  }

  /**
   * Merges rows of one step; the later row stays. Steps are powers of two of seconds, each
   * a part of the next larger one, so that repeated merging adds no error to error.
   */
  #thin(): void {
    const seconds = this.#seconds;
    const nowSecond = seconds.at(-1) ?? 0;
    const isKept = (row: number): boolean => {
      const next = seconds[row + 1];
      if (next === undefined) return true;
      const step = stepOf(nowSecond - next);
      return Math.floor((seconds[row] as number) / step) !== Math.floor(next / step);
    };
    const kept = seconds.map((_, row) => isKept(row));
    this.#lastLsns = this.#lastLsns.filter((_, row) => kept[row]);
    this.#seconds = seconds.filter((_, row) => kept[row]);
  }
}

/** The largest power of two that is at most a 128th of the age; at least 1. */
function stepOf(ageSeconds: number): number {
  return 2 ** Math.max(0, Math.floor(Math.log2(Math.max(1, ageSeconds / AGE_PER_STEP))));
}

/** The index of the first number that is `value` or more; the length if there is none. */
function firstAtLeast(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The payload of the block of a snapshot. */
export function writeTimes(rows: readonly TimeRow[], view: DataView, start: number): void {
  let at = start;
  for (const { lastLsn, second } of rows) at = writeU64(view, writeU64(view, at, lastLsn), second);
  assert(at === start + timesBytes(rows), 'a row has a fixed length');
}

export function timesBytes(rows: readonly TimeRow[]): number {
  return rows.length * ROW_BYTES;
}

/** `offset` is that of the payload in the file. Throws `SnapshotError`. */
export function decodeTimes(payload: Uint8Array, offset: number): TimeRow[] {
  if (payload.length % ROW_BYTES !== 0)
    throw new SnapshotError(offset, `time table of ${payload.length} bytes`);
  const view = viewOf(asBuffer(payload));
  const rows: TimeRow[] = [];
  for (let at = 0; at < payload.length; at += ROW_BYTES) {
    const row = { lastLsn: readU64(view, at, offset + at), second: readU64(view, at + 8, offset + at + 8) };
    const before = rows.at(-1);
    if (before !== undefined && (row.lastLsn <= before.lastLsn || row.second <= before.second))
      throw new SnapshotError(offset + at, 'the rows of the time table do not ascend');
    rows.push(row);
  }
  return rows;
}
