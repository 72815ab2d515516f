/**
 * The digest at one exact position, so that nodes can be compared while all of
 * them go on: looked up among the last states, or waited for. Answers on a node
 * whose reads are refused too: it is for those who look into that.
 */
import { DIGESTS_KEPT } from '#engine/digest-window.ts';
import type { Engine } from '#engine/engine.ts';
import type { DigestAnswer } from '#model/entry.ts';
import { checkCaller, unavailable, WalnutError } from '#model/errors.ts';
import { formatPosition, type Lsn, type Position } from '#model/position.ts';
import type { Clock } from '#platform/clock.ts';

/** How often a wait looks whether the engine was replaced. */
const RECHECK_MS = 250;

export interface DigestWait {
  readonly position: Position;
  readonly waitMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Throws `discarded_history` where the record at that LSN is another one here,
 * `out_of_range` where the state is too long ago, `unavailable` where it is not
 * reached within `waitMs`. `engine`: the one of the moment; it may throw.
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
    // An engine that is being replaced refuses to wait at once.
    await clock.sleep(Math.max(0, sliceEndMs - clock.monotonicMs()), signal);
  }
}

/** Whether the record of that LSN is applied; throws where it is another record. */
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
