/**
 * The Scan operation: a walk over the slots, bounded per call. An entry keeps its
 * slot while it is stored, so an entry present during the whole scan is returned
 * exactly once; one written or deleted meanwhile may be returned or not.
 *
 * The cursor is `<incarnation>-<slot>-<CRC of the prefix>`, the last only if there is a
 * prefix. Slots have no meaning in another store, and those before the cursor were not
 * examined for another prefix, so such a cursor is refused with `invalid_argument`.
 */
import type { ScanCommand } from '#model/commands.ts';
import { type Entry, isExpired } from '#model/entry.ts';
import { invalidArgument } from '#model/errors.ts';
import { SCAN_LIMIT_DEFAULT, SCAN_LIMIT_MAX } from '#model/limits.ts';
import { crc32 } from '#platform/crc32.ts';
import { EntryHasher } from '#storage/entry-hash.ts';
import { SLOT_FREE, type SlotTable } from '#storage/slot-table.ts';

/** A call examines 64 slots per requested entry, within this minimum and maximum. */
const EXAMINED_PER_ENTRY = 64;
const EXAMINED_MIN = 1_024;
const EXAMINED_MAX = 65_536;
/** An answer ends with the entry that brings its keys and values to this many bytes. */
const SCAN_ANSWER_BYTES_MAX = 4 * 1_024 * 1_024;

const encoder = new TextEncoder();

/** What cursors name a store by: a hash of its seed, so that they do not reveal it. */
export function deriveIncarnation(hashSeed: number): string {
  const hasher = new EntryHasher();
  hasher.hashEntry('scan cursor', hashSeed, 0, 0, 0);
  return hasher.hex().slice(0, 12);
}

export interface ScanPage {
  readonly entries: Entry[];
  /** Empty when the scan is complete. */
  readonly nextCursor: string;
}

/**
 * Returns one page of a scan, without expired entries. A page may contain fewer
 * entries than the limit, even none, and still have a `nextCursor`.
 */
export function scanSlots(
  slots: SlotTable,
  incarnation: string,
  command: ScanCommand,
  nowMs: number,
): ScanPage {
  const limit = checkLimit(command.limit);
  const mark = markOf(command.prefix);
  const first = parseCursor(command.cursor, incarnation, mark);
  const examinedMax = Math.min(Math.max(limit * EXAMINED_PER_ENTRY, EXAMINED_MIN), EXAMINED_MAX);
  const prefixes = prefixesOf(command);
  const last = lastSlotOf(slots, prefixes);
  const end = Math.min(last, first + examinedMax);
  const entries: Entry[] = [];
  let bytes = 0;
  let slot = first;
  for (; slot < end && entries.length < limit && bytes < SCAN_ANSWER_BYTES_MAX; slot++) {
    if (slots.stateOf(slot) === SLOT_FREE || isExpired(slots.expireAtMsOf(slot), nowMs)) continue;
    if (!hasAnyPrefix(slots, slot, prefixes)) continue;
    const entry = command.keysOnly ? slots.entryWithoutValue(slot) : slots.entry(slot);
    entries.push(entry);
    bytes += entry.key.length + entry.value.length;
  }
  return { entries, nextCursor: slot < last ? `${incarnation}-${slot}${mark}` : '' };
}

export type CountCommand = Pick<ScanCommand, 'prefix' | 'among' | 'cursor' | 'limit'>;

export interface CountPage {
  readonly count: number;
  /** Empty when the scan is complete. */
  readonly nextCursor: string;
}

/** Counts the entries of one page. A `limit` of 0 is as many as one call may examine. */
export function countSlots(
  slots: SlotTable,
  incarnation: string,
  command: CountCommand,
  nowMs: number,
): CountPage {
  const countMax = command.limit === 0 ? Number.POSITIVE_INFINITY : checkLimit(command.limit);
  const mark = markOf(command.prefix);
  const first = parseCursor(command.cursor, incarnation, mark);
  const prefixes = prefixesOf(command);
  const last = lastSlotOf(slots, prefixes);
  const end = Math.min(last, first + EXAMINED_MAX);
  let count = 0;
  let slot = first;
  for (; slot < end && count < countMax; slot++) {
    if (slots.stateOf(slot) === SLOT_FREE || isExpired(slots.expireAtMsOf(slot), nowMs)) continue;
    if (hasAnyPrefix(slots, slot, prefixes)) count++;
  }
  return { count, nextCursor: slot < last ? `${incarnation}-${slot}${mark}` : '' };
}

function prefixesOf({ prefix, among = [prefix] }: CountCommand): readonly Uint8Array[] {
  return among.map((each) => encoder.encode(each));
}

/** Behind the last slot to examine. */
function lastSlotOf(slots: SlotTable, prefixes: readonly Uint8Array[]): number {
  return prefixes.length === 0 ? 0 : slots.end;
}

function hasAnyPrefix(slots: SlotTable, slot: number, prefixes: readonly Uint8Array[]): boolean {
  for (const prefix of prefixes) if (slots.hasPrefix(slot, prefix)) return true;
  return false;
}

function checkLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 0 || limit > SCAN_LIMIT_MAX) {
    throw invalidArgument(
      `limit is ${limit}: expected 1 to ${SCAN_LIMIT_MAX}, or 0 for ${SCAN_LIMIT_DEFAULT}`,
    );
  }
  return limit === 0 ? SCAN_LIMIT_DEFAULT : limit;
}

/** What tells the prefix of a cursor from others. */
function markOf(prefix: string): string {
  return prefix === '' ? '' : `-${crc32(encoder.encode(prefix)).toString(16)}`;
}

function parseCursor(cursor: string, incarnation: string, mark: string): number {
  if (cursor === '') return 0;
  const match = /^([0-9a-f]{1,64})-(\d{1,9})(|-[0-9a-f]{1,8})$/.exec(cursor);
  if (match === null)
    throw invalidArgument('cursor is malformed: expected the next_cursor of an earlier answer');
  if (match[1] !== incarnation) {
    throw invalidArgument('cursor is from another node or from before a restart: start over without one');
  }
  if (match[3] !== mark)
    throw invalidArgument('cursor is of another prefix: expected the same prefix in each call, or no cursor');
  return Number(match[2]);
}
