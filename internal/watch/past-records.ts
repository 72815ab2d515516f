/** What was logged before: read from the feed, and queued for one watcher as it will be sent. */
import type { Engine } from '#engine/engine.ts';
import { FeedGap } from '#engine/feed/feed.ts';
import { recordKindOf } from '#engine/records/record-table.ts';
import { WalnutError } from '#model/errors.ts';
import type { Position } from '#model/position.ts';
import { decodeFrames, type Frame } from '#wal/frame.ts';
import { NewerFormatError } from '#wal/wal-errors.ts';
import { changeOf } from '#watch/change.ts';
import { gapError } from '#watch/ends.ts';
import type { EventBytes } from '#watch/event-bytes.ts';
import { isWatched } from '#watch/target.ts';
import type { Watcher } from '#watch/watcher.ts';

/** Bytes of records that are read from the log for one watcher at a time. */
const PAST_READ_BYTES = 256 * 1_024;

/**
 * Some records after `at`; none if there are none yet. `check` throws if the watch ended
 * meanwhile. Throws `out_of_range` or `data_loss` where the log has a gap, and
 * `failed_precondition` for records of a newer program.
 */
export async function readPastFrames(
  engine: Engine,
  at: Position,
  check: () => void,
): Promise<readonly Frame[]> {
  try {
    const run = await engine.feed.read(at.lsn, PAST_READ_BYTES, 'applied');
    check();
    if (run instanceof FeedGap) throw gapError(engine, at, run);
    return run === undefined ? [] : decodeFrames(run.bytes);
  } catch (error) {
    throw asUnreadable(error);
  }
}

/** Queues the changes of a record that are of interest. What was there before each is not known any more. */
export function queuePast(watcher: Watcher, frame: Frame, kept: EventBytes): void {
  const { target, targetBytes, past, withPrevious } = watcher;
  const mutation = recordKindOf(frame).walk(frame);
  if (mutation === undefined) return;
  const version = { epoch: frame.epoch, lsn: frame.lsn };
  while (mutation.next()) {
    if (!isWatched(target.kind, targetBytes, mutation) || !watcher.wants(mutation.op)) continue;
    past.push(changeOf(mutation, frame, version, kept, undefined, withPrevious));
  }
}

/** Records below the snapshot may be of a newer program: this one does not know what they changed. */
function asUnreadable(error: unknown): unknown {
  if (!(error instanceof NewerFormatError)) return error;
  const message = `what follows cannot be told: ${error.message}. Begin again with initial`;
  return new WalnutError('failed_precondition', message, { cause: error });
}
