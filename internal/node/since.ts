/**
 * Where in the log a time is: the position after which the first record at or after that time
 * stands. The time table of the state says where to look, and timestamps of records, of which
 * it reads few, say the rest: they never go back within a log.
 */
import type { Engine } from '#engine/engine.ts';
import { FeedGap } from '#engine/feed/feed.ts';
import { checkCaller, WalnutError } from '#model/errors.ts';
import { formatPosition, type Lsn, NO_POSITION, type Position } from '#model/position.ts';
import { decodeFrames } from '#wal/frame.ts';

/** How long the disk may take: only what is durable can be read. */
const SYNC_MS_MAX = 1_000;

/**
 * `ms`: by the log clock. Where no record is as new, the last one. Throws `out_of_range` if
 * records at or after that time may be gone from the log, and `cancelled`.
 */
export async function positionBefore(engine: Engine, ms: number, signal?: AbortSignal): Promise<Position> {
  await engine.waitDurable(engine.appliedLsn, SYNC_MS_MAX, signal);
  const { feed } = engine;
  const lastLsn = feed.lastLsn('durable');
  const { earliestLsn } = feed;
  const isOlder = async (lsn: number): Promise<boolean> => {
    checkCaller(signal);
    return (await timestampOf(engine, lsn as Lsn, ms)) < ms;
  };
  const firstLsn = engine.times.firstLsnSince(ms);
  const isLost = firstLsn < earliestLsn && (earliestLsn > lastLsn || !(await isOlder(earliestLsn)));
  if (isLost) throw notReached(engine, ms);
  const olderLsn = Math.max(firstLsn, earliestLsn) - 1;
  return positionAt(engine, await lastOlder(Math.min(olderLsn, lastLsn), lastLsn, isOlder));
}

/** The last LSN up to `lastLsn` whose record is older. The one at `olderLsn` is, or is none. */
async function lastOlder(
  olderLsn: number,
  lastLsn: number,
  isOlder: (lsn: number) => Promise<boolean>,
): Promise<number> {
  let low = olderLsn;
  // The record is near: the steps grow until one is not older.
  let high = low + 1;
  for (let step = 1; high <= lastLsn && (await isOlder(high)); step *= 2) {
    low = high;
    high += step;
  }
  high = Math.min(high, lastLsn + 1);
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (await isOlder(middle)) low = middle;
    else high = middle;
  }
  return low;
}

function positionAt(engine: Engine, lsn: number): Position {
  return lsn === 0 ? NO_POSITION : { epoch: engine.epochAt(lsn as Lsn), lsn: lsn as Lsn };
}

async function timestampOf(engine: Engine, lsn: Lsn, ms: number): Promise<number> {
  const run = await engine.feed.read((lsn - 1) as Lsn, 1);
  if (run === undefined || run instanceof FeedGap) throw notReached(engine, ms);
  const [frame] = decodeFrames(run.bytes);
  if (frame === undefined) throw notReached(engine, ms);
  return frame.timestampMs;
}

function notReached(engine: Engine, ms: number): WalnutError {
  const { earliestPosition: earliest, durablePosition: latest, logClock } = engine;
  const time = new Date(ms + logClock.shiftMs(logClock.nowMs()));
  const shown = Number.isNaN(time.getTime()) ? 'that time' : time.toISOString();
  const begins = `it begins at ${formatPosition(earliest)}`;
  return new WalnutError('out_of_range', `the log may not reach back to ${shown}: ${begins}`, {
    earliest,
    latest,
  });
}
