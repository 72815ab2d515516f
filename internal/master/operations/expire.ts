/** Expiry and eviction, which are logged like any write. Only a master does either. */
import type { RecordBuilder } from '#master/record-builder.ts';
import type { WritePath } from '#master/write-path.ts';
import { type Entry, isExpired } from '#model/entry.ts';

/** Most deletes of expired entries in one record. */
const EXPIRED_PER_RECORD = 1_024;
/**
 * Most records of expired entries, and of victims, in one tick; the rest waits for
 * the next tick. At ten ticks a second some 80,000 entries expire a second, and a
 * tick blocks the event loop for some 20 ms.
 */
const RECORDS_PER_TICK = 8;

/**
 * Logs deletes of expired entries and evicts what exceeds the limits, after they
 * were lowered. Bounded; returns true if there is more to do at once.
 */
export function runTick(path: WritePath): boolean {
  const { engine } = path;
  if (engine.log.failure !== undefined) return false;
  const hasMoreExpired = expireDue(path);
  let hasMore = engine.store.limits.policy !== 'none';
  for (let i = 0; i < RECORDS_PER_TICK && hasMore; i++) hasMore = path.write((builder) => builder.trim());
  return hasMoreExpired || hasMore;
}

/**
 * Deletes what is due, in as many records as a tick may make. The store returns the
 * same entries again until their deletes are applied, so a slow disk is not given
 * more to do.
 */
function expireDue(path: WritePath): boolean {
  const { engine } = path;
  const due = engine.store.due(engine.logClock.nowMs(), EXPIRED_PER_RECORD * RECORDS_PER_TICK);
  let deletes = 0;
  for (let at = 0; at < due.length; at += EXPIRED_PER_RECORD) {
    deletes += path.write((builder) => expire(path, due.slice(at, at + EXPIRED_PER_RECORD), builder));
  }
  return deletes === EXPIRED_PER_RECORD * RECORDS_PER_TICK;
}

function expire(path: WritePath, due: readonly Entry[], builder: RecordBuilder): number {
  let deletes = 0;
  for (const { key } of due) {
    const { entry } = path.accepted.lookup(key);
    if (entry === undefined || !isExpired(entry.expireAtMs, builder.nowMs)) continue;
    builder.delete(key, 'expired');
    deletes++;
  }
  return deletes;
}
