/** Increment: what it comes to in the newest accepted state. It is logged as the set of its sum. */
import { isMet } from '#master/operations/condition.ts';
import type { Accepted, RecordBuilder } from '#master/record-builder.ts';
import { describeIncrement, rememberedAt } from '#master/retry-window.ts';
import type { WritePath } from '#master/write-path.ts';
import type { IncrementAnswer, IncrementCommand, WriteAnswer } from '#model/commands.ts';
import { addToCounter, counterOf, encodeCounter } from '#model/counter.ts';
import { isExpired, NEVER } from '#model/entry.ts';

/** Adds the sum to the record, once for each request id. */
export function acceptIncrement(
  path: WritePath,
  command: IncrementCommand,
  builder: RecordBuilder,
): Accepted {
  const { requestId } = command;
  if (requestId === undefined) return judge(path, command, builder);
  return path.retries.once(requestId, describeIncrement(command), () =>
    rememberedAt(judge(path, command, builder), path.engine.position),
  );
}

/** The answer of an increment from that of its write. */
export function toIncrementAnswer(
  path: WritePath,
  { counter }: Accepted,
  answer: WriteAnswer,
): IncrementAnswer {
  if (counter === undefined) return { ...answer, value: 0n, expireAtMs: NEVER };
  return { ...answer, value: counter.value, expireAtMs: path.shownDeadline(counter.expireAtMs) };
}

function judge(path: WritePath, command: IncrementCommand, builder: RecordBuilder): Accepted {
  const { key, condition, delta } = command;
  const { live, stored, record } = path.look(key, builder.nowMs);
  if (condition !== undefined && !isMet(condition, live)) {
    return { applied: false, previous: undefined, current: live, dependsOn: record };
  }
  const before = live === undefined ? command.initial : counterOf(key, live.value);
  const value = addToCounter(key, before, delta);
  const expireAtMs = live?.expireAtMs ?? path.deadlines.of(command.expiry, undefined, builder.nowMs);
  const counter = { value, expireAtMs };
  if (isExpired(expireAtMs, builder.nowMs)) {
    // As for a Set: a new entry whose deadline has passed is not stored.
    if (stored) builder.delete(key);
    const dependsOn = stored ? builder.record : record;
    return { applied: true, previous: undefined, current: undefined, dependsOn, counter };
  }
  builder.set(key, encodeCounter(value), expireAtMs);
  return { ...builder.written, counter };
}
