/**
 * Cuts a replica back to the history that it shares with a master of a higher
 * term (docs/replication.md, rule 3). The records after that move to aside/.
 */

import type { DivergedFrom } from '#engine/diverged-from.ts';
import type { Engine } from '#engine/engine.ts';
import type { EngineHost } from '#engine/engine-host.ts';
import { lastCommonLsn } from '#engine/epoch-table.ts';
import type { DivergedWhy } from '#model/diverged.ts';
import { NO_LSN } from '#model/position.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import type { Logger } from '#platform/logger.ts';
import { checkTerm } from '#slave/check-term.ts';
import type { Receiver } from '#slave/receiver.ts';

export interface CutParts {
  readonly host: EngineHost;
  readonly receiver: Receiver;
  readonly logger: Logger;
}

/** Returns undefined if the log was cut. Otherwise a full resync is needed, and the result describes the records that it discards. */
export async function cutBack(
  { host, receiver, logger }: CutParts,
  engine: Engine,
  answer: RegisterAnswer,
  why: DivergedWhy,
): Promise<DivergedFrom | undefined> {
  const { tail } = engine.log;
  const common = lastCommonLsn(
    { epochs: engine.epochStarts(), tailLsn: tail.lsn },
    { epochs: answer.epochs, tailLsn: answer.latest.lsn },
  );
  logger.warn(
    { reason: why.reason, tail, common, master: answer.latest },
    'setting aside what diverged from the master',
  );
  await host.raiseTerm(answer.term);
  // The epoch tables say that the master has all of this log, and yet the records differ: the tables cannot be trusted.
  if (common >= tail.lsn) return { ...why, commonLsn: NO_LSN };
  const cut = await receiver.exclusive(() => {
    checkTerm(host, answer);
    return host.cutTo({ epoch: engine.epochAt(common), lsn: common }, why);
  });
  return cut === undefined ? { ...why, commonLsn: common } : undefined;
}
