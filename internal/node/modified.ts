/** When entries were modified, for answers that were asked to say so. */
import type { Engine } from '#engine/engine.ts';
import type { BatchOperation, BatchResult } from '#model/commands.ts';
import { type Entry, movedDeadline } from '#model/entry.ts';

/** The time of the record that wrote the entry: wall time, whole seconds as milliseconds. Undefined: it is not applied. */
export function modifiedMsOf({ version }: Entry, { times, logClock }: Engine): number | undefined {
  const madeMs = times.madeMs(version.lsn);
  if (madeMs === undefined) return undefined;
  const wallMs = movedDeadline(madeMs, logClock.shiftMs(logClock.nowMs()));
  return wallMs - (wallMs % 1_000);
}

export function withModified(entry: Entry, engine: Engine): Entry {
  return { ...entry, modifiedMs: modifiedMsOf(entry, engine) };
}

/**
 * The results of a batch whose writes are applied, with the times that its Gets asked for: a
 * Get may have found what the batch itself wrote, which had no time yet.
 */
export function withModifiedIn<Result extends BatchResult | undefined>(
  engine: Engine | undefined,
  operations: readonly BatchOperation[],
  results: readonly Result[],
): Result[] {
  return results.map((result, i) => {
    const operation = operations[i];
    if (operation?.kind !== 'get' || operation.command.withModified !== true) return result;
    if (result?.kind !== 'get' || result.answer.entry === undefined || engine === undefined) return result;
    return { ...result, answer: { ...result.answer, entry: withModified(result.answer.entry, engine) } };
  });
}
