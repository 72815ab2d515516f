/** Why a watch ends: every error of a watcher that is no fault of its request. */
import type { Engine } from '#engine/engine.ts';
import type { FeedGap } from '#engine/feed/feed.ts';
import { unavailable, WalnutError } from '#model/errors.ts';
import { formatPosition, type Position } from '#model/position.ts';

/** The log no longer has what follows `position`. */
export function gapError(engine: Engine, position: Position, { damagedLsn }: FeedGap): WalnutError {
  const earliest = engine.earliestPosition;
  const why =
    damagedLsn === undefined
      ? `it begins at ${formatPosition(earliest)}`
      : `it is damaged at LSN ${damagedLsn}`;
  return new WalnutError(
    'out_of_range',
    `the log no longer has what follows ${formatPosition(position)}: ${why}. Begin again with initial`,
    { earliest, latest: engine.durablePosition },
  );
}

/** Another engine has taken over while the watcher was at `position`: what became of that. */
export function replacedError(
  engine: Engine,
  position: Position,
  leaderHint: string | undefined,
): WalnutError {
  const { lsn, epoch } = position;
  if (lsn > engine.log.tail.lsn || (lsn > 0 && engine.epochAt(lsn) !== epoch)) {
    return new WalnutError(
      'discarded_history',
      `position ${formatPosition(position)} was cut off the log here: changes that were told are gone. Begin again with initial`,
    );
  }
  if (lsn + 1 < engine.feed.earliestLsn) {
    const earliest = engine.earliestPosition;
    return new WalnutError(
      'out_of_range',
      `this node took a snapshot that begins after ${formatPosition(position)}: changes between were missed. Begin again with initial`,
      { earliest, latest: engine.durablePosition },
    );
  }
  return unavailable('the state of this node was recovered anew: go on from where the watch was', leaderHint);
}

/** The same error with the position that the watcher goes on from, where going on helps. */
export function withResume(error: unknown, position: Position): unknown {
  if (!(error instanceof WalnutError)) return error;
  if (error.code !== 'resource_exhausted' && error.code !== 'unavailable') return error;
  return new WalnutError(error.code, error.message, { ...error.details, resumeAfter: position });
}

/** What was caught, as the error of a port; anything else is a bug, and thrown. */
export function asCaught(error: unknown): WalnutError {
  if (error instanceof WalnutError) return error;
  throw error;
}
