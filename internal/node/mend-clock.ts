/**
 * Mends a log clock that is far from wall time (ADR 12): the log states the
 * difference. The clock itself goes on, so it never goes back, every deadline keeps
 * the time that it has left, digests do not change, and replicas follow by the
 * record.
 */
import type { Engine } from '#engine/engine.ts';
import { SAME_TIME_MS } from '#engine/log-clock.ts';
import type { MendClockAnswer, MendClockCommand } from '#model/clock.ts';
import { WalnutError } from '#model/errors.ts';
import type { Lsn } from '#model/position.ts';
import { clockStatusOf, describeAhead } from '#node/clock-watch.ts';
import type { MasterRole } from '#node/master-role.ts';
import { describeDuration } from '#platform/duration.ts';
import type { Logger } from '#platform/logger.ts';

/**
 * The offset may have changed by this much since the operator saw it, because the
 * clock is slewed and reading takes time.
 */
const EXPECTED_WITHIN_MS = 2_000;
const DURABLE_TIMEOUT_MS = 10_000;

export async function mendClock(
  role: MasterRole,
  engine: Engine,
  logger: Logger,
  { shouldApply, expectedAheadMs }: MendClockCommand,
): Promise<MendClockAnswer> {
  const clock = clockStatusOf(engine);
  const wallOffsetMs = clock.wallOffsetMs - clock.aheadMs;
  if (!shouldApply) return { clock, wallOffsetMs, isApplied: false, position: engine.position };
  // Throws if this master may not write.
  role.writer();
  if (Math.abs(clock.aheadMs) <= SAME_TIME_MS) {
    throw refused(
      `nothing to mend: ${describeAhead(clock.aheadMs)}; up to ${describeDuration(SAME_TIME_MS)} are ignored`,
    );
  }
  if (expectedAheadMs !== undefined && Math.abs(clock.aheadMs - expectedAheadMs) > EXPECTED_WITHIN_MS) {
    throw refused(
      `${describeAhead(clock.aheadMs)}, and was expected to be ${describeDuration(Math.abs(expectedAheadMs))} ` +
        `${expectedAheadMs < 0 ? 'behind' : 'ahead of'} it: a clock was set meanwhile. Look again: walnut clock`,
    );
  }
  await role.readyForFormats();
  // The role may have ended meanwhile.
  role.writer();
  const epoch = engine.log.tail.epoch;
  const lsn = await new Promise<Lsn>((resolve, reject) => {
    const submitted: Lsn = engine.submitWallOffset(wallOffsetMs, (error) => {
      if (error === undefined) resolve(submitted);
      else reject(error);
    });
  });
  await engine.waitDurable(lsn, DURABLE_TIMEOUT_MS);
  logger.warn({ ...clock, statedOffsetMs: wallOffsetMs, lsn }, 'an operator mended the log clock');
  return { clock, wallOffsetMs, isApplied: true, position: { epoch, lsn } };
}

function refused(message: string): WalnutError {
  return new WalnutError('failed_precondition', message);
}
