/** Increment: what it comes to in the newest accepted state. It is logged as the set of its sum. */

import type { Accepted } from '#master/accepted.ts';
import { isMet } from '#master/operations/condition.ts';
import { acceptNamed } from '#master/operations/named.ts';
import type { RecordBuilder } from '#master/record-builder.ts';
import { textOfIncrement } from '#master/request-text.ts';
import type { WritePath } from '#master/write-path.ts';
import type { WriteTarget } from '#master/write-target.ts';
import type { IncrementAnswer, IncrementCommand, WriteAnswer } from '#model/commands.ts';
import { addToCounter, counterOf, encodeCounter } from '#model/counter.ts';
import { isExpired, NEVER } from '#model/entry.ts';

/** Adds the sum to the record, once for each name. */
export function acceptIncrement(path: WritePath, command: IncrementCommand, into: RecordBuilder): Accepted {
  if (command.id === undefined) return judgeIncrement(path, command, into);
  return acceptNamed(path, command.id, into, {
    text: textOfIncrement(command),
    isConditional: command.condition !== undefined,
    accept: () => judgeIncrement(path, command, into),
  });
}

/** Makes the answer to an Increment from that of its write. */
export function toIncrementAnswer(
  path: WritePath,
  { counter }: Accepted,
  answer: WriteAnswer,
): IncrementAnswer {
  if (counter === undefined) return { ...answer, value: 0n, expireAtMs: NEVER };
  return { ...answer, value: counter.value, expireAtMs: path.shownDeadline(counter.expireAtMs) };
}

/** Adds the sum without looking at its name. */
export function judgeIncrement(path: WritePath, command: IncrementCommand, into: WriteTarget): Accepted {
  const { key, condition, delta } = command;
  const { live, stored, record } = into.look(key);
  if (condition !== undefined && !isMet(condition, key, live, into)) {
    return { applied: false, previous: undefined, current: live, dependsOn: record };
  }
  const before = live === undefined ? command.initial : counterOf(key, live.value);
  const value = addToCounter(key, before, delta);
  const expireAtMs = live?.expireAtMs ?? path.deadlines.of(command.expiry, undefined, into.nowMs);
  const counter = { value, expireAtMs };
  if (isExpired(expireAtMs, into.nowMs)) {
    // Like a Set: a new entry whose deadline has passed is not stored.
    if (stored) into.delete(key);
    else into.endLease(key);
    const dependsOn = stored ? into.record : record;
    return { applied: true, previous: undefined, current: undefined, dependsOn, counter };
  }
  into.set(key, encodeCounter(value), expireAtMs, live?.contentType);
  return { ...into.written, counter };
}
