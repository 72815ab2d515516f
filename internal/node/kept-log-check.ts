/**
 * Reads the log that is kept for replicas once, in the background: damage there is
 * an alarm, not a failure.
 */

import type { Logger } from '#platform/logger.ts';
import { messageOf } from '#platform/thrown.ts';
import type { Log } from '#wal/log.ts';

/**
 * Resolves with what is wrong, and with the LSN if that is known; undefined if
 * nothing is, or if the node stops.
 */
export async function checkKeptLog(
  log: Log,
  logger: Logger,
  signal: AbortSignal,
): Promise<{ readonly what: string; readonly lsn: number | undefined } | undefined> {
  try {
    const damage = await log.verifyKept(signal);
    if (damage === undefined) return undefined;
    logger.error({ damage }, 'the log kept for replicas is damaged');
    const what = `${damage.file} at byte ${damage.byte}, LSN ${damage.lsn}: ${damage.why}`;
    return { what, lsn: damage.lsn };
  } catch (error) {
    if (signal.aborted) return undefined;
    logger.error({ err: error }, 'the log kept for replicas cannot be read');
    return { what: `it cannot be read: ${messageOf(error)}`, lsn: undefined };
  }
}
