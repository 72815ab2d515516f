/** Touch: what it comes to in the newest accepted state. Only the deadline is logged. */
import type { Accepted } from '#master/accepted.ts';
import { acceptNamed } from '#master/operations/named.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import { textOfTouch } from '#master/request-text.ts';
import type { WritePath } from '#master/write-path.ts';
import type { WriteTarget } from '#master/write-target.ts';
import type { TouchAnswer, TouchCommand, WriteAnswer } from '#model/commands.ts';
import { isExpired, NEVER } from '#model/entry.ts';

/** Adds the touch to the record, once for each name. */
export function acceptTouch(path: WritePath, command: TouchCommand, into: RecordBuilder): Accepted {
  if (command.id === undefined) return judgeTouch(path, command, into);
  return acceptNamed(path, command.id, into, {
    text: textOfTouch(command),
    isConditional: false,
    accept: () => judgeTouch(path, command, into),
  });
}

/** The answer of a touch from that of its write. */
export function toTouchAnswer(path: WritePath, { touched }: Accepted, answer: WriteAnswer): TouchAnswer {
  if (touched === undefined) return { ...answer, entry: undefined, expireAtMs: NEVER };
  const { entry, expireAtMs } = touched;
  return { ...answer, entry: entry && path.shown(entry), expireAtMs: path.shownDeadline(expireAtMs) };
}

/** Adds it without looking at its name. */
export function judgeTouch(path: WritePath, command: TouchCommand, into: WriteTarget): Accepted {
  const { live, record } = into.look(command.key);
  if (live === undefined)
    return { applied: false, previous: undefined, current: undefined, dependsOn: record };
  const expireAtMs = path.deadlines.of(command.expiry, live, into.nowMs);
  const entry = command.returnValue ? { ...live, expireAtMs } : undefined;
  // Like a Set: a deadline that has passed is a delete.
  if (isExpired(expireAtMs, into.nowMs)) into.delete(command.key);
  else into.touch(command.key, expireAtMs);
  return { ...into.written, touched: { entry, expireAtMs } };
}
