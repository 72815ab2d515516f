/**
 * The digest at one exact position, so that nodes can be compared while all of them
 * go on: it is looked up among the last states, or waited for. A node whose reads
 * are refused answers it too, because it is needed to find out why.
 */
import { DIGESTS_KEPT } from '#engine/digest-window.ts';
import type { Engine } from '#engine/engine.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { checkCaller, unavailable, WalnutError } from '#model/errors.ts';
import { formatPosition, type Lsn, type Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

/** How often a wait checks whether the engine was replaced. */
const RECHECK_MS = 250;

export interface DigestWait {
  readonly position: Position;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws `discarded_history` if the record at that LSN is a different one here,
 * `out_of_range` if the state is too old, `unavailable` if it is not reached within
 * `waitMs`. `engine`: returns the current engine, and may throw.
 */
export async function digestAt(
  engine: () => Engine,
  clock: Clock,
  { position, waitMs, signal }: DigestWait,
): Promise<DigestAnswer> {
  const endMs = clock.monotonicMs() + waitMs;
  for (;;) {
    const now = engine();
    if (isReached(now, position)) return lookUp(now, position);
    const leftMs = Math.min(endMs - clock.monotonicMs(), RECHECK_MS);
    checkCaller(signal);
    if (leftMs <= 0) {
      const at = formatPosition(now.position);
      throw unavailable(`position ${formatPosition(position)} is not reached: this node is at ${at}`);
    }
    const sliceEndMs = clock.monotonicMs() + leftMs;
    const wanted = Math.max(position.lsn, now.applied.lsn + 1) as Lsn;
    if (await now.waitApplied(wanted, leftMs, signal)) continue;
    // An engine that is being replaced does not wait, so wait here.
    await clock.sleep(Math.max(0, sliceEndMs - clock.monotonicMs()), signal);
  }
}

/** True if the record at that LSN is applied; throws if it is a different record. */
function isReached(engine: Engine, { epoch, lsn }: Position): boolean {
  const { applied, epochs } = engine;
  const isApplied = lsn <= applied.lsn;
  const isOther = isApplied
    ? epochs.epochAt(lsn) !== epoch
    : epochs.standingOf({ epoch, lsn }) === 'discarded';
  if (!isOther) return isApplied;
  const ours = isApplied ? `: here it is ${formatPosition({ epoch: epochs.epochAt(lsn), lsn })}` : '';
  throw new WalnutError(
    'discarded_history',
    `position ${formatPosition({ epoch, lsn })} is not in this node's history${ours}`,
  );
}

function lookUp(engine: Engine, position: Position): DigestAnswer {
  const found = engine.digests.at(position.lsn);
  if (found !== undefined) return { position, ...found };
  throw new WalnutError(
    'out_of_range',
    `the digest at ${formatPosition(position)} is not known any more: those of the last ${DIGESTS_KEPT} ` +
      `records are, from LSN ${engine.digests.firstLsn} on`,
  );
}
