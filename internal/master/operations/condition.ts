/** Evaluates the condition of a write. */
import type { WriteTarget } from '#master/write-target.ts';
import type { Condition } from '#model/commands.ts';
import type { Entry } from '#model/entry.ts';
import { isSamePosition } from '#model/position.ts';

/** `live`: the entry of `key` as callers see it. */
export function isMet(
  condition: Condition,
  key: string,
  live: Entry | undefined,
  into: Pick<WriteTarget, 'isLeased'>,
): boolean {
  switch (condition.kind) {
    case 'absent':
      return live === undefined;
    case 'present':
      return live !== undefined;
    case 'version':
      return live !== undefined && isSamePosition(live.version, condition.version);
    case 'fill_lease':
      return into.isLeased(key, condition.token);
  }
}
