/** Sets that ask for visibility only, from the bytes of the request to those of the answer, as one record. */
import { areReachable, hasPast } from '#master/deadlines.ts';
import { refuseRest, toBatchError } from '#master/operations/batch-steps.ts';
import { PlainSetCursor } from '#master/operations/plain-set-cursor.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import type { RecordInFlight } from '#master/record-in-flight.ts';
import type { WritePath } from '#master/write-path.ts';
import { type PlainSets, PREFETCH_KEYS, type SetsAnswer } from '#model/bulk.ts';
import type { WalnutError } from '#model/errors.ts';

/**
 * Returns undefined, and does nothing, if a deadline has passed already, because such a
 * set is a delete, and if atomic sets may not all be made.
 */
export function runPlainSets(path: WritePath, sets: PlainSets): Promise<SetsAnswer> | undefined {
  const { engine, deadlines } = path;
  const refused = new Map<number, WalnutError>();
  const accepted = path.write((builder) => {
    const shiftMs = engine.logClock.shiftMs(builder.nowMs);
    if (hasPast(sets, shiftMs, builder.nowMs)) return undefined;
    if (sets.isAtomic === true && !surelyFit(sets, builder)) return undefined;
    const pair = new PlainSetCursor(sets);
    while (pair.next()) {
      if (pair.index % PREFETCH_KEYS === 0) {
        const { bytes, keyOffsets, keyBytes, count } = sets;
        engine.store.prefetch(bytes, keyOffsets, keyBytes, pair.index, count);
      }
      try {
        pair.expireAtMs = deadlines.ofPlain(sets, pair.index, shiftMs, builder.nowMs);
        builder.setEncoded(pair);
      } catch (error) {
        refused.set(pair.index, toBatchError(error).error);
      }
    }
    return builder.written;
  });
  if (accepted === undefined) return undefined;
  if (refused.size === sets.count) return Promise.resolve({ answer: undefined, refused });
  const { settled, position } = accepted.dependsOn as RecordInFlight;
  const { count } = sets;
  const refuseAll = (error: unknown): SetsAnswer => refuseRest(refused, count, error);
  return settled.then(() => {
    try {
      return { answer: path.complete(accepted, position), refused };
    } catch (error) {
      return refuseAll(error);
    }
  }, refuseAll);
}

/** True if nothing can be in the way of any of the sets: no limit, and no deadline. */
function surelyFit(sets: PlainSets, builder: RecordBuilder): boolean {
  let bytes = 0;
  for (let i = 0; i < sets.count; i++) bytes += (sets.keyBytes[i] as number) + (sets.valueBytes[i] as number);
  return builder.hasRoomFor(sets.count, bytes) && areReachable(sets, builder.nowMs);
}
