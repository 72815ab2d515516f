/** The state that records change, as it is before the first of them: that of a snapshot, or an empty one. */
import { EpochTable } from '#engine/epoch-table.ts';
import { LogClock } from '#engine/log-clock.ts';
import type { RecordState } from '#engine/records/record-kind.ts';
import type { Clock } from '#platform/clock.ts';
import type { SnapshotMeta } from '#storage/snapshot-header.ts';
import type { Store } from '#storage/store.ts';
import { TimeTable } from '#storage/time-table.ts';

/**
 * The state at a snapshot with the entries in `store`, for the engine and for every
 * reader of a log; without `meta` the state before the first record. Every field of
 * `SnapshotMeta` is named here: a new one does not compile until it has its place.
 */
export function stateAt(clock: Clock, store: Store, meta?: SnapshotMeta): RecordState {
  if (meta === undefined) {
    return { store, epochs: new EpochTable(), logClock: new LogClock(clock, 0), times: new TimeTable() };
  }
  // The first three say which state it is and who can read it; they are no part of it.
  const {
    logId,
    position,
    formatLevel,
    epochs,
    logClockMs,
    limits,
    wallOffsetMs,
    times,
    members,
    ownership,
    ...forgotten
  } = meta;
  forgotten satisfies Record<string, never>;
  store.setLimits(limits);
  store.members.current = members;
  store.ownership.current = ownership;
  return {
    store,
    epochs: new EpochTable(epochs),
    logClock: new LogClock(clock, logClockMs, wallOffsetMs),
    times: new TimeTable(times),
  };
}
