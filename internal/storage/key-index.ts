/**
 * Finds the slot of a key: extendible hashing (Fagin et al., 1979) with open
 * addressing in each segment. The top bits of a hash choose a segment of the
 * directory, its low bits the first cell to look at. A cell contains the whole
 * hash and the slot, so growing reads no entry and a miss seldom reads one. A
 * segment of full size splits in two, so no call moves more than about 8,000
 * cells, whatever the size of the table.
 *
 * Segments shrink and merge as entries are removed. Their buffers are freed at
 * once, not at the next garbage collection.
 */
import { assert } from '#platform/assert.ts';
import type { KeyBytes } from '#storage/key-bytes.ts';
import { NO_SLOT } from '#storage/slot-table.ts';

const CELLS_MIN = 64;
/** Below this size a segment doubles, from it on it grows by a quarter: large tables are 64 to 80 % full. */
const CELLS_DOUBLING_MAX = 4_096;
/** The largest size of a segment, the last of 4,096, 5,120, 6,400 and 8,000 cells; then it splits. */
const CELLS_MAX = 8_000;
/** Most bits for the directory; the other 16 bits of a hash choose the cell. At this depth segments grow without limit. */
const DEPTH_MAX = 16;
const MERGED_ENTRIES_MAX = 1_024;

interface Segment {
  /** Pairs of hash and slot + 1; 0 is an empty cell. */
  cells: Int32Array<ArrayBuffer>;
  /** For each cell the place of the key that `findNear` found by it last; undefined: none yet. */
  hints: Int32Array<ArrayBuffer> | undefined;
  entries: number;
  /** How many leading bits of the hash all its entries share. */
  depth: number;
}

/** Compares the key stored in `slot` with `key`. */
export interface KeyMatcher {
  matches(slot: number, key: KeyBytes): boolean;
}

/** Finds the bytes of stored keys. */
export interface KeyPlaces {
  /** The place of the key of `slot`, as a 32-bit number. */
  placeOf(slot: number): number;
  /** For prefetching: reads what lies at a place, which may be another key's by now, or nobody's. */
  touch(place: number): void;
}

export class KeyIndex {
  readonly #matcher: KeyMatcher;
  readonly #places: KeyPlaces;
  #directory: Segment[] = [createSegment(CELLS_MIN, 0)];
  #depth = 0;

  constructor(matcher: KeyMatcher, places: KeyPlaces) {
    this.#matcher = matcher;
    this.#places = places;
  }

  /** The key's slot, or `NO_SLOT`. */
  find(key: KeyBytes): number {
    const { hash } = key;
    const { cells } = this.#segmentOf(hash);
    const end = cells.length;
    let at = homeOf(hash, end);
    for (;;) {
      const slot = cells[at + 1] as number;
      if (slot === 0) return NO_SLOT;
      if (cells[at] === hash && this.#matcher.matches(slot - 1, key)) return slot - 1;
      at += 2;
      if (at === end) at = 0;
    }
  }

  /**
   * `find` for reads one at a time, of which each waits for memory three times: for the cell, for
   * the slot, which says where the key lies, and for the key. This keeps beside each cell where
   * the key lay last time, so that the processor fetches slot and key together. It takes 4 bytes
   * a cell in segments that are read by it.
   */
  findNear(key: KeyBytes): number {
    const { hash } = key;
    const places = this.#places;
    const segment = this.#segmentOf(hash);
    const { cells } = segment;
    segment.hints ??= new Int32Array(cells.length >>> 1);
    const { hints } = segment;
    const end = cells.length;
    let at = homeOf(hash, end);
    for (;;) {
      const slot = cells[at + 1] as number;
      if (slot === 0) return NO_SLOT;
      if (cells[at] === hash) {
        const hint = hints[at >>> 1] as number;
        places.touch(hint);
        const place = places.placeOf(slot - 1);
        if (place !== hint) hints[at >>> 1] = place;
        if (this.#matcher.matches(slot - 1, key)) return slot - 1;
      }
      at += 2;
      if (at === end) at = 0;
    }
  }

  /** For prefetching: reads the cell where the lookup of a key with this hash begins. */
  peek(hash: number): number {
    const { cells } = this.#segmentOf(hash);
    return cells[homeOf(hash, cells.length)] as number;
  }

  /** For prefetching: the first slot whose key has this hash, or `NO_SLOT`. */
  candidate(hash: number): number {
    const { cells } = this.#segmentOf(hash);
    const end = cells.length;
    for (let at = homeOf(hash, end); ; ) {
      const slot = cells[at + 1] as number;
      if (slot === 0 || cells[at] === hash) return slot - 1;
      at += 2;
      if (at === end) at = 0;
    }
  }

  /** Adds a key that is not in the index, which the caller has checked. */
  add(hash: number, slot: number): void {
    let segment = this.#segmentOf(hash);
    while ((segment.entries + 1) * 10 > (segment.cells.length >>> 1) * 8) {
      this.#grow(segment, hash);
      segment = this.#segmentOf(hash);
    }
    put(segment.cells, hash, slot + 1);
    segment.entries++;
  }

  remove(hash: number, slot: number): void {
    const segment = this.#segmentOf(hash);
    const { cells } = segment;
    let at = homeOf(hash, cells.length);
    while (cells[at + 1] !== slot + 1) {
      assert(cells[at + 1] !== 0, 'what is removed is in the index');
      at = at + 2 === cells.length ? 0 : at + 2;
    }
    closeGap(cells, at);
    segment.entries--;
    // Less than 30 % full: at half the size it is still far from full.
    if (cells.length > 2 * CELLS_MIN && segment.entries * 10 < (cells.length >>> 1) * 3)
      this.#shrink(segment, hash);
  }

  /** Bytes of all segments, for memory figures. */
  get heldBytes(): number {
    const segments = [...new Set(this.#directory)];
    return segments.reduce((sum, { cells, hints }) => sum + cells.byteLength + (hints?.byteLength ?? 0), 0);
  }

  #segmentOf(hash: number): Segment {
    return this.#directory[this.#directoryIndex(hash)] as Segment;
  }

  #directoryIndex(hash: number): number {
    // Two shifts, because JavaScript takes a shift by 32 as a shift by 0.
    return (hash >>> 1) >>> (31 - this.#depth);
  }

  #grow(segment: Segment, hash: number): void {
    const count = segment.cells.length >>> 1;
    if (count >= CELLS_MAX && segment.depth < DEPTH_MAX) this.#split(segment, hash);
    else resize(segment, count < CELLS_DOUBLING_MAX ? 2 * count : count + (count >>> 2));
  }

  #split(segment: Segment, hash: number): void {
    if (segment.depth === this.#depth) {
      this.#directory = this.#directory.flatMap((each) => [each, each]);
      this.#depth++;
    }
    const depth = segment.depth + 1;
    const [low, high] = splitCells(segment.cells, depth);
    release(segment.cells);
    // The directory's entries that lead to one segment are adjacent.
    const span = 1 << (this.#depth - segment.depth);
    const first = this.#directoryIndex(hash) & ~(span - 1);
    this.#directory.fill(low, first, first + span / 2);
    this.#directory.fill(high, first + span / 2, first + span);
  }

  #shrink(segment: Segment, hash: number): void {
    const buddy = this.#buddyOf(segment, hash);
    if (buddy !== undefined && buddy.entries + segment.entries <= MERGED_ENTRIES_MAX) {
      this.#merge(segment, buddy, hash);
    } else {
      resize(segment, Math.max(CELLS_MIN, segment.cells.length >>> 2));
    }
  }

  /** The segment whose prefix differs only in the last bit; undefined if that one was split further. */
  #buddyOf(segment: Segment, hash: number): Segment | undefined {
    if (segment.depth === 0) return undefined;
    const buddy = this.#segmentOf(hash ^ (1 << (32 - segment.depth)));
    return buddy.depth === segment.depth ? buddy : undefined;
  }

  #merge(segment: Segment, buddy: Segment, hash: number): void {
    const merged = createSegment(2 * MERGED_ENTRIES_MAX, segment.depth - 1);
    for (const { cells } of [segment, buddy]) {
      moveCells(cells, merged.cells);
      release(cells);
    }
    merged.entries = segment.entries + buddy.entries;
    const span = 1 << (this.#depth - merged.depth);
    const first = this.#directoryIndex(hash) & ~(span - 1);
    this.#directory.fill(merged, first, first + span);
  }
}

function createSegment(cells: number, depth: number): Segment {
  return { cells: new Int32Array(2 * cells), hints: undefined, entries: 0, depth };
}

/** Frees the memory now: with so few objects on the heap the next garbage collection may be far off. */
function release(cells: Int32Array<ArrayBuffer>): void {
  cells.buffer.transfer(0);
}

function resize(segment: Segment, count: number): void {
  const old = segment.cells;
  segment.cells = new Int32Array(2 * count);
  segment.hints = undefined;
  moveCells(old, segment.cells);
  release(old);
}

function homeOf(hash: number, length: number): number {
  return 2 * (((hash & 0xffff) * (length >>> 1)) >>> 16);
}

function put(cells: Int32Array, hash: number, slotPlusOne: number): void {
  const end = cells.length;
  let at = homeOf(hash, end);
  while (cells[at + 1] !== 0) {
    at += 2;
    if (at === end) at = 0;
  }
  cells[at] = hash;
  cells[at + 1] = slotPlusOne;
}

function moveCells(from: Int32Array, to: Int32Array): void {
  for (let at = 0; at < from.length; at += 2) {
    const slotPlusOne = from[at + 1] as number;
    if (slotPlusOne !== 0) put(to, from[at] as number, slotPlusOne);
  }
}

/** Distributes cells over two segments of `depth` by the hash's last prefix bit: 0 first, then 1. */
function splitCells(cells: Int32Array, depth: number): [Segment, Segment] {
  const shift = 32 - depth;
  const counts: [number, number] = [0, 0];
  for (let at = 0; at < cells.length; at += 2) {
    if (cells[at + 1] !== 0) (counts[(((cells[at] as number) >>> shift) & 1) as 0 | 1] as number)++;
  }
  const halves = counts.map((entries) => {
    // Only colliding hashes overfill one side; it keeps the old size, as one more split would hardly help.
    const segment = createSegment(
      entries * 10 <= CELLS_DOUBLING_MAX * 9 ? CELLS_DOUBLING_MAX : cells.length >>> 1,
      depth,
    );
    segment.entries = entries;
    return segment;
  }) as [Segment, Segment];
  for (let at = 0; at < cells.length; at += 2) {
    const hash = cells[at] as number;
    const slotPlusOne = cells[at + 1] as number;
    if (slotPlusOne !== 0) put(halves[((hash >>> shift) & 1) as 0 | 1].cells, hash, slotPlusOne);
  }
  return halves;
}

/** Empties the cell at `gap` and moves back the cells that a lookup could no longer reach past it. */
function closeGap(cells: Int32Array, gap: number): void {
  const end = cells.length;
  let at = gap;
  for (;;) {
    at = at + 2 === end ? 0 : at + 2;
    if (cells[at + 1] === 0) break;
    const home = homeOf(cells[at] as number, end);
    const isBehindGap = gap < at ? home > gap && home <= at : home > gap || home <= at;
    if (isBehindGap) continue;
    cells[gap] = cells[at] as number;
    cells[gap + 1] = cells[at + 1] as number;
    gap = at;
  }
  cells[gap] = 0;
  cells[gap + 1] = 0;
}
