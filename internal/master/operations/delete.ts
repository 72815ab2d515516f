/** Delete: what it comes to in the newest accepted state. */
import { isMet } from '#master/operations/condition.ts';
import type { Accepted, RecordBuilder } from '#master/record-builder.ts';
import { describeDelete, rememberedAt } from '#master/retry-window.ts';
import type { WritePath } from '#master/write-path.ts';
import type { DeleteCommand } from '#model/commands.ts';

/** Adds the delete to the record, once for each request id. */
export function acceptDelete(path: WritePath, command: DeleteCommand, builder: RecordBuilder): Accepted {
  const { requestId } = command;
  if (requestId === undefined) return judge(path, command, builder);
  return path.retries.once(requestId, describeDelete(command), () =>
    rememberedAt(judge(path, command, builder), path.engine.position),
  );
}

function judge(path: WritePath, command: DeleteCommand, builder: RecordBuilder): Accepted {
  const { key, condition } = command;
  const { live, record } = path.look(key, builder.nowMs);
  const isWanted = live !== undefined && (condition === undefined || isMet(condition, live));
  if (!isWanted) {
    const current = condition === undefined ? undefined : live;
    return { applied: false, previous: undefined, current, dependsOn: record };
  }
  builder.delete(key);
  return command.returnPrevious ? { ...builder.written, previous: live } : builder.written;
}
