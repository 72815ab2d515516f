/** A quarantine as MANIFEST stores it and operators see it, with the values of both nodes. Pure. */
import { NO_POSITION, type Position } from '#model/position.ts';
import type { RegisterAnswer } from '#model/replication.ts';
import type { Quarantine } from '#model/status.ts';

export function describeQuarantine(
  answer: RegisterAnswer,
  here: { readonly logId: string; readonly tail: Position | undefined },
  why: { readonly reason: string; readonly sinceMs: number; readonly upstream: string },
): Quarantine {
  const { latest } = answer;
  const { epoch, lsn } = here.tail ?? NO_POSITION;
  return {
    ...why,
    upstreamLogId: answer.logId,
    upstreamPosition: { epoch: latest.epoch, lsn: latest.lsn },
    localLogId: here.logId,
    localPosition: { epoch, lsn },
  };
}

/** Why the master's history conflicts with this replica's. */
export function conflictOf({ verdict }: RegisterAnswer): string {
  return verdict.kind === 'conflict' ? verdict.reason : 'the master has another log';
}
