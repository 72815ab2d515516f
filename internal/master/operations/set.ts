/** Set: what it comes to in the newest accepted state. */
import { isMet } from '#master/operations/condition.ts';
import type { Accepted, RecordBuilder } from '#master/record-builder.ts';
import { describeSet, rememberedAt } from '#master/retry-window.ts';
import type { WritePath } from '#master/write-path.ts';
import type { SetCommand } from '#model/commands.ts';
import { isExpired } from '#model/entry.ts';

/** Adds the set to the record, once for each request id. */
export function acceptSet(path: WritePath, command: SetCommand, builder: RecordBuilder): Accepted {
  const { requestId } = command;
  if (requestId === undefined) return judge(path, command, builder);
  return path.retries.once(requestId, describeSet(command), () =>
    rememberedAt(judge(path, command, builder), path.engine.position),
  );
}

function judge(path: WritePath, command: SetCommand, builder: RecordBuilder): Accepted {
  const { key, expiry, condition } = command;
  if (condition === undefined && !command.returnPrevious && expiry.kind !== 'keep') {
    const expireAtMs = path.deadlines.of(expiry, undefined, builder.nowMs);
    // What was there before makes no difference.
    if (!isExpired(expireAtMs, builder.nowMs)) {
      builder.set(key, command.value, expireAtMs);
      return builder.written;
    }
  }
  const { live, stored, record } = path.look(key, builder.nowMs);
  if (condition !== undefined && !isMet(condition, live)) {
    return { applied: false, previous: undefined, current: live, dependsOn: record };
  }
  const expireAtMs = path.deadlines.of(expiry, live, builder.nowMs);
  const previous = command.returnPrevious ? live : undefined;
  if (isExpired(expireAtMs, builder.nowMs)) {
    // A deadline in the past is a delete (as in Redis), and no record where there is nothing to delete.
    if (stored) builder.delete(key);
    return { applied: true, previous, current: undefined, dependsOn: stored ? builder.record : record };
  }
  builder.set(key, command.value, expireAtMs);
  return previous === undefined ? builder.written : { ...builder.written, previous };
}
