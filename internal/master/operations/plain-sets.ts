/** Sets that ask for visibility only, from the bytes of the request to those of the answer, as one record. */
import type { Accepted } from '#master/accepted.ts';
import { MISSING } from '#master/accepted-state.ts';
import { areReachable, hasPast, hasWallTime } from '#master/deadlines.ts';
import { toRefused } from '#master/operations/batch-steps.ts';
import { REFUSED } from '#master/operations/named-parts.ts';
import { PlainSetCursor } from '#master/operations/plain-set-cursor.ts';
import { type Refused, SetsInFlight } from '#master/operations/sets-in-flight.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import { type PlainSets, PREFETCH_KEYS, type SetsAnswer } from '#model/bulk.ts';
import type { WalnutError } from '#model/errors.ts';
import type { Soon } from '#model/later.ts';
import { ATOMIC_BYTES_MAX } from '#model/limits.ts';
import type { BatchId, WriteResult } from '#model/write-id.ts';
import { entryCost } from '#storage/entry-cost.ts';

/**
 * Returns undefined, and does nothing, if a deadline has passed already, because such a
 * set is a delete, if atomic sets are refused for a deadline or for their size, and if their
 * name is not known to be new.
 * Throws `resource_exhausted` if the store has no room for all of the atomic sets.
 */
export function runPlainSets(path: WritePath, sets: PlainSets): Soon<SetsAnswer> | undefined {
  const { engine, deadlines } = path;
  let refused: Refused | undefined;
  const record = path.write((builder) => {
    // The machine's clock is read only for deadlines in wall time, which most Sets have not.
    const shiftMs = hasWallTime(sets) ? engine.logClock.shiftMs(builder.nowMs) : 0;
    if (hasPast(sets, shiftMs, builder.nowMs)) return undefined;
    const { name } = sets;
    if (name !== undefined && !path.named.isNew(name, builder.nowMs)) return undefined;
    const isAtomic = sets.isAtomic === true;
    if (isAtomic && !tryMakeRoom(sets, builder)) return undefined;
    const pair = new PlainSetCursor(sets);
    while (pair.next()) {
      if (pair.index % PREFETCH_KEYS === 0) {
        const { bytes, keyOffsets, keyBytes, count } = sets;
        engine.store.prefetch(bytes, keyOffsets, keyBytes, pair.index, count);
      }
      try {
        pair.expireAtMs = deadlines.ofPlain(sets, pair.index, shiftMs, builder.nowMs);
        if (isAtomic) builder.setEncodedInRoom(pair);
        else builder.setEncoded(pair);
      } catch (error) {
        refused ??= new Map();
        refused.set(pair.index, toRefused(error).error);
      }
    }
    if (name !== undefined && refused?.size !== sets.count)
      stateSets(path, name, sets.count, refused, builder);
    return builder.record;
  });
  if (record === undefined) return undefined;
  if (refused?.size === sets.count) return { answer: undefined, refused };
  return new SetsInFlight(path, record, sets.count, refused);
}

const APPLIED: WriteResult = { applied: true, isUnmet: false };

/** What the Sets came to under their name. Those of which none is refused share one outcome. */
function stateSets(
  path: WritePath,
  { name, checksum }: BatchId,
  count: number,
  refused: Refused | undefined,
  builder: RecordBuilder,
): void {
  const results = new Array<WriteResult>(count).fill(APPLIED);
  const parts = new Array<Accepted | WalnutError>(count).fill(builder.written);
  for (const [i, error] of refused ?? []) {
    results[i] = REFUSED;
    parts[i] = error;
  }
  path.named.state(name, { checksum, results }, { ...builder.written, parts }, builder);
}

/** Makes room for all of the sets together; false, with nothing done, if one of them is invalid or they are too many bytes. */
function tryMakeRoom(sets: PlainSets, builder: RecordBuilder): boolean {
  let bytes = 0;
  for (let i = 0; i < sets.count; i++) bytes += (sets.keyBytes[i] as number) + (sets.valueBytes[i] as number);
  if (bytes > ATOMIC_BYTES_MAX || !areReachable(sets, builder.nowMs)) return false;
  // Each step costs more than the one before it, and most Batches need only the first.
  const mostBytes = bytes + sets.count * entryCost(0, 0);
  if (!builder.hasRoomFor(sets.count, mostBytes) && !fitBeside(sets, builder))
    builder.makeRoomFor(costsOf(sets));
  return true;
}

/** True if the sets fit beside all other entries. A new key is counted as often as it is set. */
function fitBeside(sets: PlainSets, builder: RecordBuilder): boolean {
  let entries = 0;
  let bytes = 0;
  const pair = new PlainSetCursor(sets);
  while (pair.next()) {
    const before = builder.accessEncoded(pair);
    const cost = entryCost(pair.keyBytes, pair.valueBytes);
    if (before === MISSING) entries++;
    bytes += before === MISSING ? cost : Math.max(0, cost - before);
    if (!builder.hasRoomFor(entries, bytes)) return false;
  }
  return true;
}

/** What the entry of each key will count for: of the last of its sets. */
function costsOf({ bytes, count, keyOffsets, keyBytes, valueBytes }: PlainSets): Map<string, number> {
  const costs = new Map<string, number>();
  for (let i = 0; i < count; i++) {
    const from = keyOffsets[i] as number;
    const length = keyBytes[i] as number;
    costs.set(bytes.toString('utf8', from, from + length), entryCost(length, valueBytes[i] as number));
  }
  return costs;
}
