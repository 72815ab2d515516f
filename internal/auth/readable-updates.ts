/**
 * A page of GetUpdates for a caller that may read some prefixes. A page that ended after so
 * many bytes of all records would tell the size of those that are left out. So the log is
 * read in steps of one size, and the caller's own limit counts what the caller may read. Pure.
 */
import { covers } from '#auth/prefixes.ts';
import type { Update, UpdatesAnswer, UpdatesCommand } from '#model/commands.ts';

/** What to ask the port for instead of `command`. */
export function inEqualSteps(command: UpdatesCommand): UpdatesCommand {
  return { ...command, bytesMax: 0 };
}

/** `bytesMax`: keys and values of a page, which has one record at least; 0: no limit of the caller's. */
export function readableUpdates(
  answer: UpdatesAnswer,
  readable: readonly string[],
  bytesMax: number,
): UpdatesAnswer {
  const updates = answer.updates.filter(({ key }) => covers(readable, key));
  const end = bytesMax === 0 ? updates.length : endOfPage(updates, bytesMax);
  if (end === updates.length) return { ...answer, updates };
  return { ...answer, updates: updates.slice(0, end), last: (updates[end - 1] as Update).position };
}

/** How many updates there is room for. A record is told whole, because the next page begins after it. */
function endOfPage(updates: readonly Update[], bytesMax: number): number {
  let end = 0;
  let bytes = 0;
  while (end < updates.length) {
    const next = endOfRecord(updates, end);
    for (const { key, value } of updates.slice(end, next)) bytes += Buffer.byteLength(key) + value.length;
    if (bytes > bytesMax && end > 0) break;
    end = next;
  }
  return end;
}

function endOfRecord(updates: readonly Update[], begin: number): number {
  const { lsn } = (updates[begin] as Update).position;
  let end = begin;
  while (updates[end]?.position.lsn === lsn) end++;
  return end;
}
