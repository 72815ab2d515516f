/** Delete: what it comes to in the newest accepted state. */

import type { Accepted } from '#master/accepted.ts';
import { isMet } from '#master/operations/condition.ts';
import { acceptNamed } from '#master/operations/named.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import { textOfDelete } from '#master/request-text.ts';
import type { WritePath } from '#master/write-path.ts';
import type { WriteTarget } from '#master/write-target.ts';
import type { DeleteCommand } from '#model/commands.ts';

/** Adds the delete to the record, once for each name. */
export function acceptDelete(path: WritePath, command: DeleteCommand, into: RecordBuilder): Accepted {
  if (command.id === undefined) return judgeDelete(command, into);
  return acceptNamed(path, command.id, into, {
    text: textOfDelete(command),
    isConditional: command.condition !== undefined,
    accept: () => judgeDelete(command, into),
  });
}

/** Adds the delete without looking at its name. */
export function judgeDelete(command: DeleteCommand, into: WriteTarget): Accepted {
  const { key, condition } = command;
  const { live, record } = into.look(key);
  const isWanted = live !== undefined && (condition === undefined || isMet(condition, key, live, into));
  if (!isWanted) {
    // A write that is accepted ends the lease of its key, and an unmet one is not.
    if (condition === undefined) into.endLease(key);
    const current = condition === undefined ? undefined : live;
    return { applied: false, previous: undefined, current, dependsOn: record };
  }
  into.delete(key);
  return command.returnPrevious ? { ...into.written, previous: live } : into.written;
}
