/** Set: what it comes to in the newest accepted state. */

import type { Accepted } from '#master/accepted.ts';
import { isMet } from '#master/operations/condition.ts';
import { acceptNamed } from '#master/operations/named.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import { textOfSet } from '#master/request-text.ts';
import type { WritePath } from '#master/write-path.ts';
import type { WriteTarget } from '#master/write-target.ts';
import type { SetCommand } from '#model/commands.ts';
import { isExpired } from '#model/entry.ts';

/** Adds the set to the record, once for each name. */
export function acceptSet(path: WritePath, command: SetCommand, into: RecordBuilder): Accepted {
  if (command.id === undefined) return judgeSet(path, command, into);
  return acceptNamed(path, command.id, into, {
    text: textOfSet(command),
    isConditional: command.condition !== undefined,
    accept: () => judgeSet(path, command, into),
  });
}

/** Adds the set without looking at its name. */
export function judgeSet(path: WritePath, command: SetCommand, into: WriteTarget): Accepted {
  const { key, expiry, condition } = command;
  if (condition === undefined && !command.returnPrevious && expiry.kind !== 'keep') {
    const expireAtMs = path.deadlines.of(expiry, undefined, into.nowMs);
    // The set is stored, whatever was there before.
    if (!isExpired(expireAtMs, into.nowMs)) {
      into.set(key, command.value, expireAtMs, command.contentType);
      return into.written;
    }
  }
  const { live, stored, record } = into.look(key);
  if (condition !== undefined && !isMet(condition, key, live, into)) {
    return { applied: false, previous: undefined, current: live, dependsOn: record };
  }
  const expireAtMs = path.deadlines.of(expiry, live, into.nowMs);
  const previous = command.returnPrevious ? live : undefined;
  if (isExpired(expireAtMs, into.nowMs)) {
    // A deadline in the past is a delete, as in Redis, and makes no record if there is nothing to delete.
    if (stored) into.delete(key);
    else into.endLease(key);
    return { applied: true, previous, current: undefined, dependsOn: stored ? into.record : record };
  }
  into.set(key, command.value, expireAtMs, command.contentType);
  return previous === undefined ? into.written : { ...into.written, previous };
}
